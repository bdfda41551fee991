"""The lake: loading again changes nothing, a new mapping reads again, a crash leaves no trace."""

from __future__ import annotations

import copy
import errno
import hashlib
import json
import os
import threading
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from ingest_support import HEADER, RESPONSES, Lake

from orchestration.core import atomic_write
from orchestration.core.errors import UserError
from orchestration.lake import (
    ingest_source,
    load_file,
    prepare_lake,
    projection,
    scan,
    session,
    write_settings,
)
from orchestration.lake.manifest import Manifest
from orchestration.workspace.entities import ENTITIES, SETTINGS_TABLES

ONE = HEADER + b"1,9,2025-01-02,fine\n2\n"
TWO = HEADER + b"3,8,2025-01-03,good\n"


def parquet_files(lake: Lake, folder: str = "raw") -> list[str]:
    return sorted(
        path.name
        for path in (lake.root / "lake" / folder).rglob("*.parquet")
        if path.name != "_schema.parquet"
    )


def leftovers(lake: Lake) -> list[Path]:
    return list((lake.root / "lake").rglob(f"{atomic_write.TEMPORARY}*"))


def test_the_second_ingest_writes_nothing(lake: Lake, monkeypatch):
    lake.deliver(ONE)
    lake.deliver(TWO, "b.csv")
    lake.deliver(b"", "empty.csv")
    first = lake.ingest()
    assert (first.files_new, first.rows_delivered, first.files_quarantined) == (2, 3, 1)
    before = lake.everything()
    monkeypatch.setattr(scan, "hash_file", lambda path: pytest.fail("it was hashed"))
    monkeypatch.setattr(scan, "scan_file", lambda *a, **k: pytest.fail("it was read"))
    monkeypatch.setattr(duckdb, "connect", lambda *a, **k: pytest.fail("a database was made"))
    second = lake.ingest()
    assert (second.files_found, second.files_new, second.files_unchanged) == (3, 0, 2)
    assert (second.rows_delivered, second.files_quarantined) == (0, 1)
    assert second.problems == first.problems
    assert lake.everything() == before


def test_a_touched_file_is_hashed_and_no_more(lake: Lake, monkeypatch):
    path = lake.deliver(ONE)
    lake.ingest()
    raw = lake.raw()
    os.utime(path)
    monkeypatch.setattr(scan, "scan_file", lambda *a, **k: pytest.fail("it was read"))
    assert lake.ingest().files_unchanged == 1
    assert lake.raw() == raw
    lines = len(lake.events())
    lake.ingest()
    assert len(lake.events()) == lines


def test_the_names_of_the_lakes_files(lake: Lake):
    lake.deliver(ONE)
    lake.ingest()
    sha256 = hashlib.sha256(ONE).hexdigest()
    version = projection.mapping_version(lake.workspace, lake.source)
    assert len(version) == 12
    name = f"survey_responses/telco-{sha256}-{version}.parquet"
    assert (lake.root / "lake/raw" / name).exists()
    assert (lake.root / "lake/rejected" / name).exists()
    assert (lake.root / "lake/archive" / sha256[:2] / sha256).read_bytes() == ONE
    assert leftovers(lake) == []


def test_every_entity_has_its_schema(lake: Lake):
    lake.deliver(ONE)
    lake.ingest()
    for entity in ENTITIES:
        folder = lake.root / "lake/raw" / entity
        schema = pq.read_schema(folder / "_schema.parquet")
        assert schema.names == [name for name, _ in projection.lake_columns(entity)]
        assert ("_email_key" in schema.names) == ENTITIES[entity].has_email
        described = duckdb.sql(f"describe select * from '{folder}/*.parquet'").fetchall()
        assert [row[:2] for row in described] == list(projection.lake_columns(entity))
    assert pq.read_metadata(lake.root / "lake/rejected/_schema.parquet").num_rows == 0
    # A loaded file has just the columns of the schema, types included.
    folder = lake.root / "lake/raw/survey_responses"
    (loaded,) = folder.glob("telco-*.parquet")
    query = "select column_name, column_type from (describe select * from '{}')"
    assert (
        duckdb.sql(query.format(loaded)).fetchall()
        == duckdb.sql(query.format(folder / "_schema.parquet")).fetchall()
    )


def test_raw_files_are_compressed_with_zstd(lake: Lake):
    lake.deliver(ONE)
    lake.ingest()
    (loaded,) = (lake.root / "lake/raw/survey_responses").glob("telco-*.parquet")
    assert pq.read_metadata(loaded).row_group(0).column(0).compression == "ZSTD"


def test_the_manifest_tells_what_happened(lake: Lake):
    lake.deliver(ONE)
    lake.ingest()
    (event,) = lake.events()
    assert event["event"] == "loaded"
    assert {key: event[key] for key in ("source", "entity", "file_name", "reason", "message")} == {
        "source": "telco",
        "entity": "survey_responses",
        "file_name": "a.csv",
        "reason": None,
        "message": None,
    }
    assert event["file_sha256"] == hashlib.sha256(ONE).hexdigest()
    assert event["file_modified_at"] == "2025-06-01T12:30:00.000000Z"
    assert [event[f"rows_{what}"] for what in ("delivered", "loaded", "rejected", "blank")] == [
        2, 1, 1, 0,
    ]  # fmt: skip
    (file,) = lake.files()
    assert list(file) == [
        "source", "entity", "file_sha256", "file_name", "mapping_version", "status", "reason",
        "message", "rows_delivered", "rows_loaded", "rows_rejected", "rows_blank",
        "file_modified_at", "ingested_at", "warnings", "columns", "assumed_timezone",
    ]  # fmt: skip
    assert file["status"] == "loaded"
    assert abs(datetime.now(UTC).replace(tzinfo=None) - file["ingested_at"]).total_seconds() < 600
    assert lake.raw()[0]["_ingested_at"] == file["ingested_at"]


# --- a changed mapping ------------------------------------------------------------------------


def test_a_changed_mapping_reads_anew_from_the_archive(lake: Lake):
    path = lake.deliver(ONE)
    lake.ingest()
    (old,) = parquet_files(lake)
    (before,) = lake.raw()
    path.unlink()  # landing may be emptied: the archive has the bytes
    lake.declare(columns={"response_id": "id", "score": "nps", "submitted_at": "date",
                          "touchpoint": "text"})  # fmt: skip
    result = lake.ingest()
    assert (result.files_found, result.files_rederived, result.rows_loaded) == (0, 1, 1)
    (new,) = parquet_files(lake)
    assert new != old
    assert parquet_files(lake, "rejected") == [new]
    (after,) = lake.raw()
    assert (after["touchpoint"], after["comment"]) == ("fine", None)
    # What was so when the bytes arrived stays so.
    same = ("_ingested_at", "_snapshot_at", "_file_name", "_file_sha256", "_row_number")
    assert [after[name] for name in same] == [before[name] for name in same]
    assert [event["event"] for event in lake.events()] == ["loaded", "loaded", "retired"]
    assert [file["mapping_version"] for file in lake.files()] == [new[-20:-8]]
    everything = lake.everything()
    assert lake.ingest().files_rederived == 0
    assert lake.everything() == everything


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("columns", {"response_id": "id", "score": "nps", "submitted_at": "date"}),
        ("constants", {"metric": "csat", "survey_type": "relational", "scale": "1-5"}),
        ("attributes", {"region": "text"}),
        ("timestamps", {"submitted_at": "%Y-%m-%d"}),
        ("timezone", "Europe/Brussels"),
        ("customer_source", "crm"),
        ("snapshot_at", "date"),
        ("format", {"quote": None}),
        ("only", {"text": ["x"]}),
        ("except", {"text": ["x"]}),
        ("exclude", {"response_id": ["x"]}),
        ("values", {"score": {"good": 1}}),
        ("values", {"score": "leading_number"}),
        ("null_values", ["NA"]),
        ("format", {"type": "xlsx"}),
        ("format", {"type": "xlsx", "sheet": "Answers"}),
        ("format", {"max_rows": 5}),
    ],
)
def test_whatever_changes_the_rows_changes_the_version(lake: Lake, key: str, value: object):
    before = projection.mapping_version(lake.workspace, lake.source)
    lake.declare(**{key: value})
    assert projection.mapping_version(lake.workspace, lake.source) != before


def test_what_does_not_change_the_rows_keeps_the_version(lake: Lake, monkeypatch):
    before = projection.mapping_version(lake.workspace, lake.source)
    lake.declare(files="other*.csv", customer_source="telco", format={"type": "csv"},
                 max_quarantine_rate=0.2)  # fmt: skip
    lake.content["min_group_size"] = 9
    lake.content["timezone"] = "Asia/Tokyo"  # the source has its own
    assert projection.mapping_version(lake.workspace, lake.source) == before
    monkeypatch.setattr(projection, "READER_VERSION", "next")
    assert projection.mapping_version(lake.workspace, lake.source) != before


def test_a_mended_mapping_takes_up_a_quarantined_file(lake: Lake):
    lake.deliver(HEADER + "1,9,2025-01-02,café\n".encode("latin-1"))
    assert lake.ingest().files_quarantined == 1
    assert [(file["status"], file["rows_rejected"]) for file in lake.files()] == [
        ("quarantined", 1)
    ]
    lake.declare(format={"encoding": "latin-1"})
    result = lake.ingest()
    assert (result.files_quarantined, result.files_rederived, result.problems) == (0, 1, [])
    assert [row["comment"] for row in lake.raw()] == ["café"]
    assert [(file["status"], file["reason"]) for file in lake.files()] == [("loaded", None)]


def test_a_spoilt_mapping_quarantines_a_loaded_file(lake: Lake):
    lake.deliver(ONE)
    lake.ingest()
    lake.declare(columns={**RESPONSES["columns"], "comment": "remark"})
    result = lake.ingest()
    assert [problem.reason for problem in result.problems] == ["missing_column"]
    assert (parquet_files(lake), parquet_files(lake, "rejected")) == ([], [])
    assert [file["status"] for file in lake.files()] == ["quarantined"]
    lake.declare(columns=RESPONSES["columns"])
    assert lake.ingest().problems == []
    assert len(lake.raw()) == 1


def test_a_source_no_longer_declared_leaves_and_may_come_back(lake: Lake):
    other = {**copy.deepcopy(RESPONSES), "name": "web"}
    both = [copy.deepcopy(RESPONSES), other]
    path = lake.deliver(ONE)
    lake.ingest()
    lake.content["sources"] = [other]
    lake.ingest()
    assert (lake.raw(), lake.rejected(), lake.files()) == ([], [], [])
    assert lake.archived(ONE)
    assert [event["event"] for event in lake.events()] == ["loaded", "retired"]
    path.unlink()
    lake.content["sources"] = both
    assert lake.ingest().files_rederived == 1
    assert [row["response_id"] for row in lake.raw()] == ["1"]
    assert [file["status"] for file in lake.files()] == ["loaded"]


def test_a_lost_parquet_file_is_made_again(lake: Lake):
    lake.deliver(ONE)
    lake.ingest()
    before = lake.raw()
    for path in (lake.root / "lake/raw/survey_responses").glob("telco-*"):
        path.unlink()
    lake.ingest()
    assert lake.raw() == before


def test_damaged_or_missing_bytes_of_the_archive_are_told(lake: Lake):
    path = lake.deliver(ONE)
    lake.deliver(TWO, "b.csv")
    lake.ingest()
    path.unlink()
    (lake.landing / "b.csv").unlink()
    archived = {p.name: p for p in (lake.root / "lake/archive").rglob("*") if p.is_file()}
    archived[hashlib.sha256(ONE).hexdigest()].write_bytes(b"rotten")
    archived[hashlib.sha256(TWO).hexdigest()].unlink()
    lake.declare(timezone="Asia/Tokyo")
    warnings = lake.ingest().warnings
    assert any("a.csv: its bytes in the archive are damaged" in each for each in warnings)
    assert any("b.csv: its bytes are no longer in the archive" in each for each in warnings)
    assert len(lake.raw()) == 2  # what was read of them stays
    lake.deliver(TWO, "b.csv")  # delivered again, the bytes are archived again
    lake.ingest()
    assert lake.archived(TWO)


def test_a_rebuild_from_the_archive_gives_the_same_rows(lake: Lake):
    lake.deliver(ONE)
    lake.deliver(TWO, "b.csv")
    lake.ingest()
    raw, rejected = lake.raw(), lake.rejected()
    for folder in ("raw", "rejected"):
        for path in (lake.root / "lake" / folder).rglob("*.parquet"):
            path.unlink()
    lake.ingest()
    assert (lake.raw(), lake.rejected()) == (raw, rejected)


# --- crashes ----------------------------------------------------------------------------------


class Killed(BaseException):
    """What a test raises where a process may be killed."""


@pytest.mark.parametrize(
    ("module", "name", "nth"),
    [
        (atomic_write.os, "fsync", 1),
        (load_file, "commit", 1),  # the archive's file
        (load_file, "commit", 2),  # the rejected rows
        (load_file, "commit", 3),  # the raw rows
        (Manifest, "append_all", 1),  # F1: everything is there but the manifest's line
    ],
)
@pytest.mark.parametrize("is_after", [False, True])
def test_killed_anywhere_the_next_ingest_repairs(
    lake: Lake, monkeypatch, module, name, nth, is_after
):
    prepare_lake(lake.workspace)
    lake.deliver(ONE)
    original, calls = getattr(module, name), 0

    def killing(*args, **kwargs):
        nonlocal calls
        calls += 1
        if calls == nth and not is_after:
            raise Killed
        result = original(*args, **kwargs)
        if calls == nth:
            raise Killed
        return result

    monkeypatch.setattr(module, name, killing)
    with pytest.raises(Killed):
        ingest_source(lake.workspace, lake.source)
    monkeypatch.undo()
    result = lake.ingest()
    assert result.problems == []
    assert (len(lake.raw()), len(lake.rejected()), len(lake.files())) == (1, 1, 1)
    assert len(parquet_files(lake)) == 1
    assert [event["event"] for event in lake.events()] == ["loaded"]
    assert leftovers(lake) == []
    before = lake.everything()
    lake.ingest()
    assert lake.everything() == before


def test_an_orphan_is_not_seen_and_is_loaded_once(lake: Lake):
    """F1: a Parquet file without its line in the manifest."""
    lake.deliver(ONE)
    lake.ingest()
    (lake.root / "lake/manifest/manifest.jsonl").unlink()
    prepare_lake(lake.workspace)
    assert (parquet_files(lake), parquet_files(lake, "rejected")) == ([], [])
    assert lake.ingest().files_new == 1
    assert len(lake.raw()) == 1


@pytest.mark.parametrize("cut", [1, 30, 200])
def test_a_torn_line_is_ignored_and_the_file_goes_on(lake: Lake, cut: int):
    lake.deliver(ONE)
    lake.ingest()
    lake.deliver(TWO, "b.csv")
    lake.ingest()
    manifest = lake.root / "lake/manifest/manifest.jsonl"
    manifest.write_bytes(manifest.read_bytes()[:-cut])
    result = lake.ingest()
    assert len(lake.raw()) == 2
    assert {file["file_name"] for file in lake.files()} == {"a.csv", "b.csv"}
    assert parquet_files(lake) == sorted(set(parquet_files(lake)))
    assert len(parquet_files(lake)) == 2
    # A line that lacks no more than its end is whole.
    assert (result.files_new, result.files_unchanged) == ((0, 2) if cut == 1 else (1, 1))
    lake.deliver(HEADER + b"9,9,2025-01-02,x\n", "c.csv")
    lake.ingest()
    assert len(lake.raw()) == 3
    lines = manifest.read_bytes().split(b"\n")
    assert lines[-1] == b""
    assert sum(_is_json(line) for line in lines[:-1]) == len(lines) - (1 if cut == 1 else 2)


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def test_leftovers_are_swept_and_what_is_not_ours_stays(lake: Lake):
    lake.deliver(ONE)
    lake.ingest()
    swept = [".tmp-1", "archive/.tmp-2", "raw/customers/.tmp-3", "rejected/.tmp-4",
             "manifest/.tmp-5", "settings/.tmp-6", "rejected/customers/.tmp-7"]  # fmt: skip
    for name in swept:
        path = lake.root / "lake" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    (lake.root / "lake/.tmp-spill").mkdir()
    (lake.root / "lake/.tmp-spill/x").write_bytes(b"x")
    note = lake.root / "lake/raw/customers/note.txt"
    note.write_text("mine")
    before = len(parquet_files(lake))
    prepare_lake(lake.workspace)
    assert leftovers(lake) == []
    assert note.exists()
    assert len(parquet_files(lake)) == before


def test_what_a_killed_run_had_no_memory_for_goes(lake: Lake):
    """Rows of any table lie there. What dbt is spilling just now, started by hand, stays."""
    lake.deliver(ONE)
    left, in_use = (lake.root / "warehouse" / name for name in (".spill", "nps.duckdb.tmp"))
    for folder in (left, in_use):
        folder.mkdir(parents=True)
        (folder / "duckdb_temp_storage_S32K-0.tmp").write_bytes(b"rows")
    lake.ingest()
    assert (left.exists(), in_use.exists()) == (False, True)


def test_a_crash_between_new_and_old_parquet_leaves_one(lake: Lake, monkeypatch):
    lake.deliver(ONE)
    lake.ingest()
    lake.declare(timezone="Asia/Tokyo")
    monkeypatch.setattr(load_file, "remove_files", lambda *args: (_ for _ in ()).throw(Killed()))
    with pytest.raises(Killed):
        lake.ingest()
    monkeypatch.undo()
    assert len(parquet_files(lake)) == 2
    lake.ingest()
    assert len(parquet_files(lake)) == len(parquet_files(lake, "rejected")) == 1
    assert len(lake.raw()) == 1


def test_writing_is_synced_before_it_is_renamed(lake: Lake, monkeypatch):
    steps = []
    replace, sync = os.replace, os.fsync
    monkeypatch.setattr(
        os, "replace", lambda a, b: (steps.append(("replace", Path(b).name)), replace(a, b))[1]
    )
    monkeypatch.setattr(os, "fsync", lambda fd: (steps.append(("fsync", "")), sync(fd))[1])
    atomic_write.write_if_changed(lake.root / "x", b"1")
    assert steps == [("fsync", ""), ("replace", "x"), ("fsync", "")]


# --- settings ---------------------------------------------------------------------------------


def settings(lake: Lake, name: str) -> list[dict]:
    return pq.read_table(lake.root / f"lake/settings/{name}.parquet").to_pylist()


def test_settings(lake: Lake):
    lake.declare(attributes={"region": "r", "score": "s"}, customer_source="crm")
    lake.content |= {"segments": ["region", "score"], "churn_windows": [90, 30],
                     "journey": ["trial", "renewal"], "timezone": "Europe/Brussels"}  # fmt: skip
    prepare_lake(lake.workspace)
    assert settings(lake, "workspace") == [
        {
            "as_of_on": date(2025, 12, 31),
            "as_of_at": datetime(2025, 12, 31, 23),
            "timezone": "Europe/Brussels",
            "currency": "USD",
            "min_group_size": 5,
            "feature_months": 12,
            "fiscal_year_start": None,
            "quarantine_days": 90,
            "headline_metric": "nps",
            "headline_survey_type": "relational",
            "headline_window_days": 90,
            "max_quarantine_rate": 0.05,
            "holdout_share": 0,
            "holdout_since": None,
        }
    ]
    assert settings(lake, "journey") == [
        {"position": 1, "stage": "trial"}, {"position": 2, "stage": "renewal"}
    ]  # fmt: skip
    assert settings(lake, "churn_windows") == [{"window_days": 30}, {"window_days": 90}]
    assert [row["window_days"] for row in settings(lake, "rolling_windows")] == [30, 90, 365]
    assert settings(lake, "segments") == [
        {"position": 1, "segment": "region", "published_name": "region"},
        {"position": 2, "segment": "score", "published_name": "segment_score"},
    ]
    mapped = settings(lake, "mapped_columns")
    assert [row["column_name"] for row in mapped] == [
        "response_id", "score", "submitted_at", "metric", "survey_type", "scale", "comment",
    ]  # fmt: skip
    assert {(row["source"], row["entity"], row["customer_source"]) for row in mapped} == {
        ("telco", "survey_responses", "crm")
    }


def test_limits_of_sources_are_those_they_declare(lake: Lake):
    prepare_lake(lake.workspace)
    assert settings(lake, "source_limits") == []
    lake.declare(max_quarantine_rate=0.2)
    prepare_lake(lake.workspace)
    assert settings(lake, "source_limits") == [
        {"source": "telco", "entity": "survey_responses", "max_quarantine_rate": 0.2}
    ]


def test_every_settings_table_is_written_and_named(lake: Lake):
    prepare_lake(lake.workspace)
    written = {path.stem for path in (lake.root / "lake/settings").glob("*.parquet")}
    assert written == {*SETTINGS_TABLES}


def test_settings_are_written_only_when_they_change(lake: Lake):
    prepare_lake(lake.workspace)
    assert settings(lake, "segments") == []
    before = lake.everything()
    write_settings(lake.workspace)
    assert lake.everything() == before
    lake.content["min_group_size"] = 9
    write_settings(lake.workspace)
    changed = {name for name, state in lake.everything().items() if state != before[name]}
    assert changed == {"lake/settings/workspace.parquet"}


def test_a_workspace_that_cannot_be_written_is_one_clear_line(lake: Lake):
    (lake.root / "lake").write_text("a file where a folder must be")
    with pytest.raises(UserError, match=r"^lake below .*: (Not a directory|File exists)") as caught:
        prepare_lake(lake.workspace)
    assert "\n" not in str(caught.value)


def test_a_memory_limit_is_kept(lake: Lake, monkeypatch):
    """500 MB are 476.8 MiB in DuckDB's notation."""
    connect, limits = duckdb.connect, []

    def spy(*arguments, **options):
        made = connect(*arguments, **options)
        limits.extend(made.execute("select current_setting('memory_limit')").fetchone())
        return made

    lake.content["memory_limit"] = "500MB"
    lake.deliver(ONE)
    with monkeypatch.context() as patched:
        patched.setattr(session.duckdb, "connect", spy)
        assert lake.ingest().files_new == 1
    assert limits == ["476.8 MiB"]


@pytest.mark.parametrize("root", ['it\'s [a] "root"*', "é {x}"])
def test_any_root_is_fine(tmp_path: Path, root: str):
    (tmp_path / root).mkdir()
    lake = Lake(tmp_path / root)
    lake.deliver(ONE)
    assert lake.ingest().files_new == 1
    assert len(lake.raw()) == 1


# --- several files at a time ------------------------------------------------------------------


def test_the_manifest_follows_the_files_order_not_the_threads(lake: Lake, monkeypatch):
    """The first file is ready last; the second is quarantined, the fourth has the first's bytes."""
    monkeypatch.setattr(load_file, "_SMALL", 0)
    files = {
        "1.csv": ONE,
        "2.csv": b"no,header\n1,2\n",
        "3.csv": TWO,
        "4.csv": ONE,
        "5.csv": TWO + b"4",
    }
    for name, content in files.items():
        lake.deliver(content, name)
    others, original = threading.Event(), load_file._load

    def slow(run, read):
        if read.name == "1.csv":
            assert others.wait(20)
        try:
            return original(run, read)
        finally:
            if read.name == "2.csv":
                others.set()

    monkeypatch.setattr(load_file, "_load", slow)
    result = lake.ingest()
    assert (result.files_new, result.files_unchanged, result.files_quarantined) == (3, 1, 1)
    assert [(event["event"], event["file_name"]) for event in lake.events()] == [
        ("loaded", "1.csv"),
        ("quarantined", "2.csv"),
        ("loaded", "3.csv"),
        ("seen_again", "4.csv"),
        ("loaded", "5.csv"),
    ]
    times = [event["at"] for event in lake.events()]
    assert times[0] < times[2] < times[4]
    assert leftovers(lake) == []


def test_a_thread_that_fails_stops_the_run_and_leaves_nothing(lake: Lake, monkeypatch):
    monkeypatch.setattr(load_file, "_SMALL", 0)
    for number in range(5):
        lake.deliver(HEADER + f"{number},9,2025-01-02,x\n".encode(), f"{number}.csv")
    original = load_file._load

    def failing(run, read):
        if read.name == "1.csv":
            raise OSError(errno.ENOSPC, "No space left on device", "/x")
        return original(run, read)

    with monkeypatch.context() as patch:
        patch.setattr(load_file, "_load", failing)
        with pytest.raises(UserError, match="the disk is full; free some space"):
            lake.ingest()
    assert [event["file_name"] for event in lake.events()] == ["0.csv"]
    assert leftovers(lake) == []
    assert lake.ingest().files_new == 4
    assert len(lake.raw()) == 5
