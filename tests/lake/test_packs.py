"""Packs: many small files of the lake as few, without a change that a reader could see."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ingest_support import HEADER, RESPONSES, Lake

from orchestration.core import atomic_write
from orchestration.lake import load_file, packs, prepare_lake, rawfile
from orchestration.lake.manifest import Manifest


class Killed(BaseException):
    """What a test raises where a process may be killed."""


def content(day: int) -> bytes:
    """A file of one answer and one row too short, its figures given by the day."""
    return HEADER + f"{day},{day % 11},2025-01-{1 + day % 28:02},day {day}\nshort {day}\n".encode()


def key(row: dict) -> tuple:
    return row["_file_name"], row["_row_number"]


def rows(lake: Lake) -> tuple[list[dict], list[dict]]:
    """All rows, in an order of their own."""
    return sorted(lake.raw(), key=key), sorted(lake.rejected(), key=key)


def names(lake: Lake, folder: str = "raw") -> list[str]:
    found = (lake.root / "lake" / folder).rglob("*.parquet")
    return sorted(path.name for path in found if path.name != "_schema.parquet")


def packed(lake: Lake, folder: str = "raw") -> list[str]:
    return [name for name in names(lake, folder) if "-packed-" in name]


@pytest.fixture
def few(monkeypatch) -> None:
    """Three files are many; what is new in a run stays separate."""
    monkeypatch.setattr(packs, "MANY", 3)
    monkeypatch.setattr(load_file, "MANY", 10**6)


@pytest.fixture
def three(lake: Lake, few) -> Lake:
    """Three files of a run each, lying alone."""
    for day in range(3):
        lake.deliver(content(day), f"{day}.csv")
        lake.ingest()
    assert packed(lake) == []
    return lake


@pytest.mark.parametrize("small", [load_file._SMALL, 0])
def test_many_new_files_share_one_parquet_file(lake: Lake, tmp_path: Path, monkeypatch, small):
    for day in range(20):
        lake.deliver(content(day), f"{day:02}.csv")
    lake.deliver(b"", "empty.csv")
    lake.deliver(b"no,header\n1,2\n", "other.csv")
    result = lake.ingest()
    assert (result.files_new, result.files_quarantined, result.rows_delivered) == (20, 2, 41)
    assert (result.rows_loaded, result.rows_rejected) == (20, 21)
    assert len(names(lake)) == len(packed(lake)) == len(packed(lake, "rejected")) == 1
    (tmp_path / "alone").mkdir()
    alone = Lake(tmp_path / "alone", lake.content)
    monkeypatch.setattr(load_file, "MANY", 10**6)
    monkeypatch.setattr(load_file, "_SMALL", small)  # 0: read as big files are
    for path in sorted(lake.landing.iterdir()):
        alone.deliver(path.read_bytes(), path.name)
    other = alone.ingest()
    assert vars(other) == vars(result)
    assert len(names(alone)) == 20

    def timeless(found):
        return [{**row, "_ingested_at": None} for part in found for row in part]

    assert timeless(rows(alone)) == timeless(rows(lake))
    without_time = [{**file, "ingested_at": None} for file in lake.files()]
    assert without_time == [{**file, "ingested_at": None} for file in alone.files()]
    found = [(event["event"], event.get("file_name")) for event in lake.events()]
    assert found[1:] == [(event["event"], event["file_name"]) for event in alone.events()]


def test_new_files_lie_alone_until_the_next_run(three: Lake):
    before = rows(three)
    prepare_lake(three.workspace, compact=False)
    assert packed(three) == []
    prepare_lake(three.workspace)
    assert names(three) == packed(three)
    assert names(three, "rejected") == packed(three, "rejected") == names(three)
    assert len(names(three)) == 1
    assert rows(three) == before
    everything = three.everything()
    result = three.ingest()
    assert (result.files_unchanged, result.files_rederived) == (3, 0)
    assert three.everything() == everything


def test_a_pack_has_the_columns_and_types_of_a_file_alone(three: Lake):
    folder = three.root / "lake/raw/survey_responses"
    before = pq.read_schema(folder / names(three)[0])
    prepare_lake(three.workspace)
    (pack,) = packed(three)
    assert pq.read_schema(folder / pack).equals(before)
    column = before.get_field_index("_file_sha256")
    assert pq.read_metadata(folder / pack).row_group(0).column(column).compression == "ZSTD"


def test_a_pack_is_read_for_its_own_files_alone(lake: Lake, few, monkeypatch):
    """A row group's statistics say whose rows it has: with one group a file, one is read."""
    monkeypatch.setattr(rawfile, "GROUP", 1)
    for day in range(3):
        lake.deliver(content(day), f"{day}.csv")
    lake.ingest()
    prepare_lake(lake.workspace)
    (pack,) = (lake.root / "lake/raw/survey_responses").glob("*-packed-*")
    metadata = pq.read_metadata(pack)
    place = pq.read_schema(pack).get_field_index("_file_sha256")
    groups = [metadata.row_group(n).column(place).statistics for n in range(3)]
    assert all(group.min == group.max for group in groups)
    assert {group.min for group in groups} == {row["_file_sha256"] for row in lake.raw()}


def test_packs_become_packs(lake: Lake, few):
    for day in range(9):
        lake.deliver(content(day), f"{day}.csv")
        lake.ingest()
    before = rows(lake)
    prepare_lake(lake.workspace)
    prepare_lake(lake.workspace)
    # of single rows, of three rows, and of nine: never three of one size
    assert len(names(lake)) <= 2 * 3
    assert rows(lake) == before
    assert len(before[0]) == len(before[1]) == 9


@pytest.mark.parametrize(
    ("module", "name", "nth"),
    [
        (packs, "write_pack", 1),
        (Manifest, "append_all", 1),
        (packs, "commit", 1),
        (Path, "unlink", 2),  # the first removes what was temporary
        (Path, "unlink", 3),
        (packs, "write_pack", 2),  # the rejected rows' pack
        (Manifest, "append_all", 2),
        (packs, "commit", 2),
    ],
)
@pytest.mark.parametrize("is_after", [False, True])
def test_killed_while_packing_the_next_run_repairs(
    three: Lake, monkeypatch, module, name, nth, is_after
):
    before, files = rows(three), three.files()
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

    with monkeypatch.context() as patch:
        patch.setattr(module, name, killing)
        with pytest.raises(Killed):
            prepare_lake(three.workspace)
    # what runs before dbt, whatever else a run does
    prepare_lake(three.workspace, compact=False)
    assert rows(three) == before
    result = three.ingest()
    assert (result.files_unchanged, result.files_rederived) == (3, 0)
    assert rows(three) == before
    assert three.files() == files
    assert len(packed(three)) == len(packed(three, "rejected")) == 1
    assert list((three.root / "lake").rglob(f"{atomic_write.TEMPORARY}*")) == []


def test_a_changed_mapping_reads_a_packs_files_anew(three: Lake):
    prepare_lake(three.workspace)
    before = rows(three)
    three.declare(
        columns={"response_id": "id", "score": "nps", "submitted_at": "date", "touchpoint": "text"}
    )
    assert three.ingest().files_rederived == 3
    assert packed(three) == []
    after = rows(three)
    assert [row["touchpoint"] for row in after[0]] == ["day 0", "day 1", "day 2"]
    same = ("_file_sha256", "_file_name", "_row_number", "_ingested_at", "_snapshot_at")
    for one, other in zip((*before[0],), (*after[0],), strict=True):
        assert [one[name] for name in same] == [other[name] for name in same]
    three.declare(columns=RESPONSES["columns"])
    three.ingest()
    assert rows(three) == before


def test_one_file_leaves_a_pack_when_it_can_no_longer_be_read(lake: Lake, few):
    for name in ("20250101.csv", "20250102.csv", "3.csv"):
        lake.deliver(content(int(name[:-4]) % 100), name)
    lake.ingest()
    prepare_lake(lake.workspace)
    assert len(packed(lake)) == 1
    lake.declare(snapshot_at="%Y%m%d.csv")
    assert [problem.file_name for problem in lake.ingest().problems] == ["3.csv"]
    assert [row["_file_name"] for row in rows(lake)[0]] == ["20250101.csv", "20250102.csv"]


def test_a_crash_between_new_and_old_rows_of_a_packed_file(three: Lake, monkeypatch):
    prepare_lake(three.workspace)
    three.declare(timezone="Asia/Tokyo")
    original, calls = Manifest.append_all, 0

    def killing(*args, **kwargs):
        nonlocal calls
        calls += 1
        original(*args, **kwargs)
        if calls == 3:  # the first file is loaded and retired, the second loaded
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Manifest, "append_all", killing)
        with pytest.raises(Killed):
            three.ingest()
    prepare_lake(three.workspace, compact=False)
    versions = [row["_mapping_version"] for row in rows(three)[0]]
    assert len(versions) == 3
    assert versions[0] == versions[1] != versions[2]
    assert three.ingest().files_rederived == 1
    assert len({row["_mapping_version"] for row in rows(three)[0]}) == 1
    assert [row["response_id"] for row in rows(three)[0]] == ["0", "1", "2"]


def test_a_source_no_longer_declared_takes_its_packs_along(three: Lake):
    prepare_lake(three.workspace)
    before = rows(three)
    sources = three.content["sources"]
    three.content["sources"] = [{**sources[0], "name": "web"}]
    three.ingest()
    assert rows(three) == ([], [])
    three.content["sources"] = sources
    assert three.ingest().files_rederived == 3
    assert rows(three) == before


def test_a_lost_pack_is_made_again_from_the_archive(three: Lake):
    prepare_lake(three.workspace)
    before = rows(three)
    for path in (three.root / "lake/raw/survey_responses").glob("*-packed-*"):
        path.unlink()
    assert three.ingest().files_rederived == 3
    assert rows(three) == before


def test_a_torn_line_of_many_files_is_repaired(lake: Lake):
    """The line of the pack and of some files are there, those of the others are not."""
    for day in range(20):
        lake.deliver(content(day), f"{day:02}.csv")
    lake.ingest()
    manifest = lake.root / "lake/manifest/manifest.jsonl"
    lines = manifest.read_bytes().splitlines(keepends=True)
    manifest.write_bytes(b"".join(lines[:8]) + lines[8][:30])
    prepare_lake(lake.workspace, compact=False)
    assert [row["response_id"] for row in rows(lake)[0]] == [str(day) for day in range(7)]
    assert lake.ingest().files_new == 13
    assert [row["response_id"] for row in rows(lake)[0]] == [str(day) for day in range(20)]
    assert len(rows(lake)[1]) == 20


steps = st.lists(
    st.one_of(
        st.integers(0, 11),  # a file is delivered
        st.sampled_from(["run", "run", "prepare", "other mapping", "mapping"]),
    ),
    min_size=4,
    max_size=14,
)


@settings(max_examples=15, deadline=None)
@given(steps=steps, many=st.sampled_from([2, 3]), at_once=st.sampled_from([2, 10**6]))
def test_any_order_of_deliveries_and_packing_is_the_same_lake(
    tmp_path_factory, steps, many, at_once
):
    lake = Lake(tmp_path_factory.mktemp("lake"))
    plain, delivered = lake.declare().content, set()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packs, "MANY", many)
        patch.setattr(load_file, "MANY", at_once)
        for step in [*steps, "mapping", "run", "prepare"]:
            if isinstance(step, int):
                lake.deliver(content(step), f"{step}.csv")
                delivered.add(step)
            elif step == "run":
                lake.ingest()
                prepare_lake(lake.workspace, compact=False)
            elif step == "prepare":
                prepare_lake(lake.workspace)
            else:
                lake.content = plain
                if step == "other mapping":
                    lake.declare(timezone="Asia/Tokyo")
    raw, rejected = rows(lake)
    expected = sorted((f"{day}.csv", str(day), f"day {day}") for day in delivered)
    assert [(row["_file_name"], row["response_id"], row["comment"]) for row in raw] == expected
    assert [row["submitted_at"] for row in raw] == [
        f"2025-01-{1 + int(day) % 28:02}T00:00:00.000000Z" for _, day, _ in expected
    ]
    assert [row["raw_text"] for row in rejected] == [f"short {day}" for _, day, _ in expected]
    assert len({row["_mapping_version"] for row in raw}) <= 1
