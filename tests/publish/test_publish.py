"""What a published generation holds, and what every fault leaves behind."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from orchestration.core import duckdb_session, signals
from orchestration.core.duckdb_session import open_published
from orchestration.core.errors import UserError
from orchestration.core.progress import listening
from orchestration.publish import copies
from orchestration.publish import publish as module
from orchestration.publish.ledger import Generation, read_ledger, record_published
from orchestration.publish.publish import publish
from orchestration.quality.personal_data import refuse_personal_data
from orchestration.report import queries
from orchestration.report.queries import published_generation
from orchestration.workspace.load import load_workspace
from orchestration.workspace.writable import check_writable
from tests import publish_support as support
from tests.publish_support import Answer, Facts, editing, make_workspace, write_build

REPOSITORY = Path(__file__).resolve().parents[2]
DAY = date(2025, 11, 3)


def some_facts(promoters: int, detractors: int = 4) -> Facts:
    answers = [Answer(DAY, 10)] * promoters + [Answer(DAY, 0, region="south")] * detractors
    return Facts(answers, quarantined=[("missing_id", ",9")])


def go(workspace, inputs: str = "inputs", **options) -> Generation:
    return publish(workspace, inputs_hash=inputs, versions={"dbt": "1.11.16"}, **options)


@pytest.fixture(scope="module")
def templates(tmp_path_factory):
    """Two workspaces to copy: with a build only, and with that build published."""
    folder = tmp_path_factory.mktemp("templates")
    built = make_workspace(folder / "built")
    write_build(built, some_facts(6))
    shutil.copytree(built.root, folder / "published")
    generation = go(load_workspace(folder / "published"))
    return folder, generation


@pytest.fixture
def workspace(templates, tmp_path):
    """A workspace with a build and nothing published."""
    return load_workspace(shutil.copytree(templates[0] / "built", tmp_path / "ws"))


@pytest.fixture
def published(templates, tmp_path):
    """A workspace with a build, and the generation that is published of it."""
    root = shutil.copytree(templates[0] / "published", tmp_path / "ws", symlinks=True)
    return load_workspace(root), templates[1]


def generations(workspace) -> dict[str, str | None]:
    """The generation that each of the three published things is of."""
    found: dict[str, str | None] = {}
    for name, schema in (("nps.duckdb", "marts"), ("restricted.duckdb", "restricted")):
        path = workspace.published / name
        found[name] = None
        if path.exists():
            with open_published(path) as connection:
                sql = f"select generation_id from {schema}._generation"
                found[name] = connection.execute(sql).fetchone()[0]
    pattern = workspace.published / "parquet" / "_generation" / "_generation.parquet"
    found["parquet"] = None
    if pattern.exists():
        (found["parquet"],) = duckdb.sql(f"select generation_id from '{pattern}'").fetchone()
    current = workspace.published / "current"
    found["current"] = Path(os.readlink(current)).name if current.exists() else None
    return found


def leftovers(workspace) -> list[str]:
    """Names that only a running publication may have, and generations that nobody published."""
    published = workspace.published
    known = {line.get("generation_id") for line in read_ledger(workspace)}
    known.add(generations(workspace)["current"])
    return [path.name for path in published.iterdir() if path.name.startswith(".")] + [
        path.name for path in published.glob("generations/*") if path.name not in known
    ]


def assert_untouched(workspace, old: Generation) -> None:
    assert set(generations(workspace).values()) == {old.generation_id}
    assert leftovers(workspace) == []
    assert [line["generation_id"] for line in read_ledger(workspace)] == [old.generation_id]


def run_python(code: str, *arguments: object, **options) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        cwd=REPOSITORY,
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        **options,
    )


# --- a good publication -------------------------------------------------------------------------


def test_every_table_of_marts_and_restricted_is_published_and_nothing_else(workspace):
    go(workspace)
    with open_published(workspace.published / "nps.duckdb") as connection:
        tables = connection.execute(
            "select schema_name, table_name from duckdb_tables() order by 2"
        ).fetchall()
        assert {schema for schema, _ in tables} == {"marts"}
        assert [name for _, name in tables] == [
            "_generation", "dim_surveys", "fct_nps_by_period", "fct_nps_by_segment_period",
            "fct_nps_responses", "ingest_reconciliation", "nps_change_significance",
            "nps_headline", "nps_outcomes_by_class", "nps_revenue_at_risk",
        ]  # fmt: skip
        assert connection.execute("select count(*) from marts.fct_nps_responses").fetchone() == (
            10,
        )
    with open_published(workspace.published / "restricted.duckdb") as connection:
        tables = connection.execute("select table_name from duckdb_tables() order by 1").fetchall()
        assert [name for (name,) in tables] == [
            "_generation",
            "quarantined_rows",
            "response_comments",
        ]
        assert connection.execute("select * from restricted.response_comments").fetchall() == [
            ("0" * 32, "ask jane@example.org")
        ]


def test_96_no_byte_of_a_comment_lies_in_what_everybody_may_read(workspace):
    go(workspace)
    assert b"jane@example.org" in (workspace.published / "restricted.duckdb").read_bytes()
    public = [workspace.published / "nps.duckdb", workspace.published / "ledger.jsonl"]
    for path in [*public, *(workspace.published / "parquet").rglob("*.parquet")]:
        assert b"jane@example.org" not in path.read_bytes()


def test_modes_names_and_storage_version(workspace):
    go(workspace)
    published = workspace.published
    assert (published / "nps.duckdb").stat().st_mode & 0o777 == 0o444
    assert (published / "restricted.duckdb").stat().st_mode & 0o777 == 0o600
    assert not list(published.glob("*.wal"))
    assert leftovers(workspace) == []
    for name in ("nps.duckdb", "restricted.duckdb"):
        with open_published(published / name) as connection:
            tags = connection.execute(
                "select tags from duckdb_databases() where database_name = 'published'"
            ).fetchone()[0]
            assert tags["storage_version"].startswith("v1.4")


def test_the_restricted_copy_is_never_readable_by_others(workspace, monkeypatch):
    seen = []
    audit = module.audit_file

    def look(workspace, part, path, *others):
        seen.append((part.schema, path.parent.stat().st_mode & 0o077))
        audit(workspace, part, path, *others)

    monkeypatch.setattr(module, "audit_file", look)
    go(workspace)
    assert ("restricted", 0) in seen


def test_descriptions_are_carried_over(workspace):
    go(workspace)
    with open_published(workspace.published / "nps.duckdb") as connection:
        table = connection.execute(
            "select comment from duckdb_tables() where table_name = 'fct_nps_by_period'"
        ).fetchone()
        column = connection.execute(
            "select comment from duckdb_columns() "
            "where table_name = 'fct_nps_by_period' and column_name = 'nps'"
        ).fetchone()
        undescribed = connection.execute(
            "select count(*) from duckdb_columns() "
            "where table_name = '_generation' and comment is null"
        ).fetchone()
    assert table == ("NPS by period; it's additive.",)
    assert column == ("100 (P - D) / n",)
    assert undescribed == (0,)


def test_the_generation_table_and_the_ledger_say_the_same(workspace):
    generation = go(workspace, "abc123")
    rows = {}
    for name, schema in (("nps.duckdb", "marts"), ("restricted.duckdb", "restricted")):
        with open_published(workspace.published / name) as connection:
            result = connection.execute(f"from {schema}._generation")
            names = [column[0] for column in result.description]
            rows[schema] = dict(zip(names, result.fetchone(), strict=True))
    marts, restricted = rows["marts"], rows["restricted"]
    assert marts["generation_id"] == restricted["generation_id"] == generation.generation_id
    assert marts["built_at"].isoformat() + "Z" == generation.built_at
    assert marts["as_of_on"] == date(2025, 12, 31)
    assert marts["inputs_hash"] == restricted["inputs_hash"] == "abc123"
    assert marts["dbt_version"] == "1.11.16"
    assert marts["duckdb_version"] == duckdb.__version__
    (line,) = read_ledger(workspace)
    assert Generation(**line) == generation
    assert generation.versions == {"dbt": "1.11.16", "duckdb": duckdb.__version__}
    assert generation.rows["marts.fct_nps_responses"] == 10
    assert generation.rows["restricted.quarantined_rows"] == 1
    assert generation.bytes["nps.duckdb"] == (workspace.published / "nps.duckdb").stat().st_size
    assert generation.bytes["parquet"] == sum(
        path.stat().st_size for path in (workspace.published / "parquet").rglob("*.parquet")
    )


def test_the_ledger_holds_the_headline_figure(workspace):
    # 6 promoters, 4 detractors: (6 - 4) / 10; with 0.75 each and n + 3: (6.75 - 4.75) / 13.
    headline = go(workspace).headline
    assert headline["metric"] == "nps"
    assert headline["survey_type"] == "relational"
    assert headline["responses"] == 10
    assert headline["nps"] == pytest.approx(20.0)
    assert (headline["ci_low"] + headline["ci_high"]) / 2 == pytest.approx(100 * 2 / 13)


def test_no_answers_give_a_generation_without_a_headline(workspace):
    write_build(workspace, Facts())
    generation = go(workspace)
    assert generation.headline is None
    assert generation.rows["marts.fct_nps_responses"] == 0


def test_parquet_holds_the_same_tables(workspace):
    generation = go(workspace)
    folder = workspace.published / "parquet"
    tables = {path.name for path in folder.iterdir()}
    with open_published(workspace.published / "nps.duckdb") as connection:
        names = connection.execute("select table_name from duckdb_tables()").fetchall()
        assert tables == {name for (name,) in names}
        expected = connection.execute("from marts.fct_nps_responses order by all").fetchall()
    pattern = f"{folder}/fct_nps_responses/*.parquet"
    assert duckdb.sql(f"from '{pattern}' order by all").fetchall() == expected
    metadata = duckdb.sql(f"select key, value from parquet_kv_metadata('{pattern}')").fetchall()
    assert (b"generation_id", generation.generation_id.encode()) in metadata
    recursive = duckdb.sql(f"select count(*) from glob('{folder}/**/*.parquet')").fetchone()
    assert recursive == (len(tables),)


def test_the_generation_before_stays_for_readers_in_mid_scan(workspace):
    ids = [go(workspace).generation_id for _ in range(3)]
    assert sorted(path.name for path in workspace.published.glob("generations/*")) == ids[1:]


def test_ids_sort_by_time(workspace):
    ids = [go(workspace).generation_id for _ in range(4)]
    assert ids == sorted(ids)
    assert len(set(ids)) == 4
    assert all(re.fullmatch(r"\d{8}T\d{12}Z-[0-9a-f]{8}", i) for i in ids)


def test_a_table_that_may_not_leave_is_refused(published):
    """The build's files are copied whole: what is no model's may not be in them."""
    workspace, old = published
    allowed = ["marts.dim_surveys", "restricted.quarantined_rows"]
    with pytest.raises(UserError, match=r"marts\.fct_nps_by_period: is in the build but no model"):
        go(workspace, tables=allowed)
    assert_untouched(workspace, old)


def test_an_allowed_table_that_is_not_built_is_refused(published):
    workspace, old = published
    with pytest.raises(UserError, match=r"marts\.fct_nps_churn: is a model but not in the build"):
        go(workspace, tables=["marts.dim_surveys", "marts.fct_nps_churn"])
    assert_untouched(workspace, old)


@pytest.mark.parametrize(
    "prepare, message",
    [
        (lambda w: w.marts_file.unlink(), "there is no finished build to publish; run `nps run`"),
        (lambda w: w.warehouse_file.unlink(), "there is no finished build to publish; run"),
        (
            lambda w: w.restricted_file.write_bytes(b"x" * 9000),
            r"while copying the build: .*restricted\.duckdb.* not a valid DuckDB database file",
        ),
        (
            lambda w: duckdb.connect(str(w.marts_file)).execute("drop schema marts cascade"),
            "holds no table of schema marts",
        ),
    ],
)
def test_a_useless_build_is_refused_in_one_line(published, prepare, message):
    workspace, old = published
    prepare(workspace)
    with pytest.raises(UserError, match=message) as caught:
        go(workspace)
    assert "\n" not in str(caught.value)
    assert_untouched(workspace, old)


def test_progress_is_told(workspace):
    steps: list[tuple[str, str]] = []
    with listening(lambda *line: steps.append(line)):
        go(workspace)
    assert steps[0] == ("publish", "sweeping leftovers")
    assert steps[-2:] == [
        ("publish", "switching to the new generation"),
        ("publish", "recording the generation"),
    ]


def test_a_connection_left_open_does_not_hide_the_new_generation(workspace):
    go(workspace)
    with duckdb.connect(str(workspace.published / "nps.duckdb"), read_only=True) as connection:
        connection.execute("from marts._generation").fetchall()
        second = go(workspace)
        assert published_generation(workspace)["generation_id"] == second.generation_id


def test_a_published_file_opened_as_readers_should_cannot_touch_other_files(workspace, tmp_path):
    go(workspace)
    (tmp_path / "secret.csv").write_text("a\n1\n")
    with open_published(workspace.published / "nps.duckdb") as connection:
        with pytest.raises(duckdb.PermissionException):
            connection.execute(f"from read_csv('{tmp_path}/secret.csv')")
        with pytest.raises(duckdb.InvalidInputException):
            connection.execute("create table marts.new as select 1")
        assert not (workspace.published / "nps.duckdb.wal").exists()


# --- killed: F5 and F6 --------------------------------------------------------------------------

KILL = """
import importlib, json, os, signal, sys
from pathlib import Path
from orchestration.publish.publish import publish
from orchestration.workspace.load import load_workspace

root, nth, when = Path(sys.argv[1]), int(sys.argv[3]), sys.argv[4]
module_name, name = sys.argv[2].rsplit(".", 1)
module = importlib.import_module(f"orchestration.{module_name}")
real, calls = getattr(module, name), 0

def cut(*arguments, **named):
    global calls
    calls += 1
    if calls == nth and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    result = real(*arguments, **named)
    if calls == nth:
        os.kill(os.getpid(), signal.SIGKILL)
    return result

setattr(module, name, cut)
publish(load_workspace(root), inputs_hash="killed", versions={}, **json.loads(sys.argv[5]))
"""

# Where to cut: a step, which of its calls, before or after it.
BEFORE_PUBLICATION = [
    ("publish.copies.copy_database", 1, "before"),
    ("publish.copies.copy_database", 1, "after"),
    ("publish.copies.write_generation", 2, "after"),
    ("publish.publish.audit_file", 2, "after"),
    ("publish.publish.write_parquet_files", 1, "after"),
    ("publish.publish.seal", 2, "before"),
    ("publish.publish.replace", 1, "before"),
    ("publish.publish.replace", 1, "after"),
    ("publish.folders.turn", 1, "before"),
    *(("core.files.replace", nth, "before") for nth in (1, 2, 3, 4)),
]


def kill_at(workspace, name, nth, when, **options) -> None:
    done = run_python(KILL, workspace.root, name, nth, when, json.dumps(options))
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.parametrize("name, nth, when", BEFORE_PUBLICATION)
def test_f5_killed_before_the_rename_leaves_the_old_generation(published, name, nth, when):
    workspace, old = published
    write_build(workspace, some_facts(9))
    kill_at(workspace, name, nth, when)
    assert generations(workspace)["nps.duckdb"] == old.generation_id

    assert set(generations(workspace).values()) == {old.generation_id}

    # A next run that can't publish sweeps all the same.
    hidden = workspace.warehouse_file.rename(workspace.warehouse_file.with_suffix(".hidden"))
    with pytest.raises(UserError):
        go(workspace)
    assert_untouched(workspace, old)

    hidden.rename(workspace.warehouse_file)
    new = go(workspace)
    assert set(generations(workspace).values()) == {new.generation_id}
    assert leftovers(workspace) == []
    assert [x["generation_id"] for x in read_ledger(workspace)] == [
        old.generation_id, new.generation_id,
    ]  # fmt: skip


@pytest.mark.parametrize("nth", [1, 2, 3, 4])
def test_f5_the_first_publication_killed_between_renames_publishes_nothing(workspace, nth):
    """The lasting links come first, and the rename of `current` last."""
    kill_at(workspace, "core.files.replace", nth, "before")
    assert set(generations(workspace).values()) == {None}
    hidden = workspace.warehouse_file.rename(workspace.warehouse_file.with_suffix(".hidden"))
    with pytest.raises(UserError):
        go(workspace)
    assert set(generations(workspace).values()) == {None}
    assert published_generation(workspace) is None
    hidden.rename(workspace.warehouse_file)
    new = go(workspace)
    assert set(generations(workspace).values()) == {new.generation_id}


@pytest.mark.parametrize(
    "name, nth, when",
    [
        ("core.files.replace", 4, "after"),
        ("publish.folders.turn", 1, "after"),
        ("publish.ledger.append_line", 1, "before"),
    ],
)
def test_f6_killed_after_the_rename_is_reconciled_without_a_duplicate(published, name, nth, when):
    workspace, old = published
    write_build(workspace, some_facts(9))
    kill_at(workspace, name, nth, when)
    killed = generations(workspace)["nps.duckdb"]
    assert killed != old.generation_id
    assert len(read_ledger(workspace)) == 1

    new = go(workspace)
    ledger = read_ledger(workspace)
    assert [x["generation_id"] for x in ledger] == [old.generation_id, killed, new.generation_id]
    assert set(generations(workspace).values()) == {new.generation_id}
    assert leftovers(workspace) == []
    # the line written late is the line that would have been written in time
    assert ledger[1]["inputs_hash"] == "killed"
    assert ledger[1]["rows"] == ledger[2]["rows"]
    assert ledger[1]["headline"] == ledger[2]["headline"]
    assert ledger[1]["bytes"].keys() == ledger[2]["bytes"].keys()


def test_f6_killed_after_the_ledger_line_adds_none(workspace):
    kill_at(workspace, "publish.ledger.append_line", 1, "after")
    assert record_published(workspace) is False
    assert len(read_ledger(workspace)) == 1


def test_a_torn_ledger_line_spoils_nothing_but_itself(workspace):
    first = go(workspace)
    second = go(workspace)
    ledger = workspace.published / "ledger.jsonl"
    ledger.write_bytes(ledger.read_bytes()[:-30])
    assert [x["generation_id"] for x in read_ledger(workspace)] == [first.generation_id]
    third = go(workspace)
    assert [x["generation_id"] for x in read_ledger(workspace)] == [
        first.generation_id, second.generation_id, third.generation_id,
    ]  # fmt: skip


# --- readers: F7, F8, F18 -----------------------------------------------------------------------


def test_f7_publishing_succeeds_while_a_bi_tool_holds_the_old_file(published):
    workspace, old = published
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import duckdb, sys\n"
            "c = duckdb.connect(sys.argv[1], read_only=True)\n"
            "sql = 'select generation_id from marts._generation'\n"
            "print(c.execute(sql).fetchone()[0], flush=True)\n"
            "sys.stdin.readline()\n"
            "print(c.execute(sql).fetchone()[0], c.execute(\n"
            "    'select count(*) from marts.fct_nps_responses').fetchone()[0], flush=True)\n",
            str(workspace.published / "nps.duckdb"),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout.readline().strip() == old.generation_id
        write_build(workspace, some_facts(50))
        new = go(workspace)
        assert published_generation(workspace)["generation_id"] == new.generation_id
        out, _ = holder.communicate("go on\n", timeout=60)
        assert out.split() == [old.generation_id, "10"]
    finally:
        holder.kill()
        holder.wait()


def test_f8_a_writer_on_the_build_is_named(published):
    workspace, old = published
    writer = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import duckdb, sys\n"
            "c = duckdb.connect(sys.argv[1])\n"
            "print('open', flush=True)\n"
            "sys.stdin.readline()\n",
            str(workspace.marts_file),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert writer.stdout.readline().strip() == "open"
        started = time.monotonic()
        held = rf"warehouse/marts\.duckdb is open in another program \(pid {writer.pid}\); close it"
        with pytest.raises(UserError, match=held) as caught:
            go(workspace)
        assert time.monotonic() - started < 10
        assert "\n" not in str(caught.value)
        assert_untouched(workspace, old)
    finally:
        writer.communicate("\n", timeout=60)
    assert go(workspace).generation_id != old.generation_id


READER = """
import duckdb, json, sys, time
from pathlib import Path
path, stop = Path(sys.argv[1]), Path(sys.argv[2])
seen, reads = set(), 0
while not stop.exists():
    c = duckdb.connect(str(path), read_only=True)
    marker, = c.execute("select inputs_hash from marts._generation").fetchone()
    rows, = c.execute("select count(*) from marts.fct_nps_responses").fetchone()
    total, = c.execute(
        "select responses from marts.fct_nps_by_period "
        "where time_grain = 'all' and basis = 'responses'"
    ).fetchone()
    c.close()
    assert marker == str(rows) == str(total), (marker, rows, total)
    seen.add(marker)
    reads += 1
print(json.dumps({"reads": reads, "seen": sorted(seen)}))
"""


def test_two_readers_see_whole_generations_only_while_ten_are_published(workspace, tmp_path):
    stop = tmp_path / "stop"
    write_build(workspace, some_facts(6))
    go(workspace, "10")
    readers = [
        subprocess.Popen(
            [sys.executable, "-c", READER, str(workspace.published / "nps.duckdb"), str(stop)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    try:
        for more in range(10):
            write_build(workspace, some_facts(7 + more))
            go(workspace, str(11 + more))
    finally:
        stop.touch()
        results = [reader.communicate(timeout=60) for reader in readers]
    for reader, (out, err) in zip(readers, results, strict=True):
        assert reader.returncode == 0, err
        found = json.loads(out)
        assert found["reads"] > 5
        assert len(found["seen"]) > 1


@pytest.fixture(scope="module")
def duckdb_144(tmp_path_factory):
    """A folder holding DuckDB 1.4.4, as an older BI driver carries it."""
    target = tmp_path_factory.mktemp("duckdb144")
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    install = [uv, "pip", "install"] if uv else [sys.executable, "-m", "pip", "install"]
    if uv:
        install += ["--python", sys.executable]
    try:
        done = subprocess.run(
            [*install, "--quiet", "--no-deps", "--target", str(target), "duckdb==1.4.4"],
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
    except subprocess.TimeoutExpired:
        pytest.skip("the wheel of DuckDB 1.4.4 could not be had within 3 minutes")
    if done.returncode:
        pytest.skip("the wheel of DuckDB 1.4.4 can't be had from this machine's package index")
    return target


def test_f18_the_published_files_open_in_duckdb_1_4_and_1_5(workspace, duckdb_144):
    go(workspace)
    code = """
    import sys
    sys.path.insert(0, sys.argv[1])
    import duckdb
    total = 0
    tables = "select database_name, schema_name, table_name from duckdb_tables()"
    for path in sys.argv[2:4]:
        c = duckdb.connect(path, read_only=True)
        for names in c.execute(tables).fetchall():
            total += len(c.execute("from " + ".".join(names)).fetchall())
    print(duckdb.__version__, total)
    """
    paths = [workspace.published / name for name in ("nps.duckdb", "restricted.duckdb")]
    old = run_python(code, duckdb_144, *paths)
    assert old.returncode == 0, old.stderr
    now = run_python(code, "/nonexistent", *paths)
    assert old.stdout.split()[0] == "1.4.4"
    assert now.stdout.split()[0].startswith("1.5")
    assert old.stdout.split()[1] == now.stdout.split()[1]


# --- the disk and the folder: F10, F11 ----------------------------------------------------------


def full(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


def full_in_duckdb(*_, **__):
    raise duckdb.IOException(
        'IO Error: Could not write file "/ws/published/.nps.duckdb.tmp": No space left on device'
    )


@pytest.mark.parametrize("error", [full, full_in_duckdb])
@pytest.mark.parametrize(
    "name",
    [
        "publish.copies.copy_database", "publish.copies.write_generation",
        "publish.publish.audit_file", "publish.publish.write_parquet_files",
        "publish.publish.seal", "publish.copies.seal", "publish.publish.replace",
        "core.files.replace",
    ],
)  # fmt: skip
def test_f10_a_full_disk_leaves_the_old_generation(published, monkeypatch, name, error):
    workspace, old = published
    monkeypatch.setattr(f"orchestration.{name}", error)
    with pytest.raises(UserError) as caught:
        go(workspace)
    message = str(caught.value)
    assert "\n" not in message
    assert "the disk is full; free some space and run again" in message
    assert "the generation published before is untouched" in message
    monkeypatch.undo()
    assert_untouched(workspace, old)


def test_f10_a_disk_full_while_the_report_is_written_leaves_the_old_generation(published):
    workspace, old = published
    with pytest.raises(UserError, match="while writing the report: the disk is full"):
        go(workspace, report=full)
    assert_untouched(workspace, old)


def test_f10_a_write_that_the_system_refuses(published):
    """A real failing write: the process may not write files beyond 1 MB."""
    workspace, old = published
    code = """
    import resource, sys
    from pathlib import Path
    from orchestration.core.errors import UserError
    from orchestration.publish.publish import publish
    from orchestration.workspace.load import load_workspace
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
    try:
        publish(load_workspace(Path(sys.argv[1])), inputs_hash="x", versions={})
    except UserError as error:
        print(error)
    """
    done = run_python(code, workspace.root)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("publishing stopped while copying the build: ")
    assert len(done.stdout.splitlines()) == 1
    assert_untouched(workspace, old)


@pytest.mark.parametrize("name", ["append_line", "sizes"])
def test_f10_a_disk_full_at_the_ledger_says_what_is_published(published, monkeypatch, name):
    workspace, old = published
    monkeypatch.setattr(f"orchestration.publish.ledger.{name}", full)
    said = r"the disk is full; free some space and run again; generation \S+ is published"
    with pytest.raises(UserError, match=said):
        go(workspace)
    current = generations(workspace)["nps.duckdb"]
    assert current != old.generation_id
    assert set(generations(workspace).values()) == {current}
    assert leftovers(workspace) == []
    monkeypatch.undo()
    assert record_published(workspace) is True
    assert record_published(workspace) is False
    assert [x["generation_id"] for x in read_ledger(workspace)] == [old.generation_id, current]


def test_no_cell_text_in_the_message_of_an_unexpected_error(workspace, monkeypatch):
    def fail(*_):
        raise duckdb.ConversionException("Could not convert string 'jane@example.org' to INT32")

    monkeypatch.setattr(copies, "write_generation", fail)
    with pytest.raises(UserError) as caught:
        go(workspace)
    assert "jane" not in str(caught.value)
    assert "ConversionException" in str(caught.value)


def test_a_signal_that_was_held_back_leaves_the_old_generation(published, monkeypatch):
    """Dagster holds a signal back until its step ends; here it comes while the report is written."""
    workspace, old = published
    write_build(workspace, some_facts(9))
    stopping = threading.Event()
    monkeypatch.setattr(signals, "_stopping", stopping)
    with pytest.raises(KeyboardInterrupt):
        go(workspace, "stopped", report=lambda *_: stopping.set())
    assert_untouched(workspace, old)
    stopping.clear()
    assert go(workspace, "resumed").generation_id != old.generation_id


def test_f11_a_file_where_a_folder_belongs_is_refused(workspace):
    workspace.published.rmdir()
    workspace.published.write_text("in the way")
    with pytest.raises(UserError, match=r"published: not writable"):
        check_writable(workspace)


def test_f11_a_folder_named_parquet_is_refused(workspace):
    (workspace.published / "parquet").mkdir()
    for refuses in (check_writable, go):
        with pytest.raises(UserError, match=r"parquet: is a folder where a link belongs"):
            refuses(workspace)


def test_f11_every_unwritable_folder_is_named_before_building(workspace, monkeypatch):
    def refuse(*_, dir, **__):
        raise OSError(errno.EROFS, "Read-only file system", str(dir))

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", refuse)
    with pytest.raises(UserError) as caught:
        check_writable(workspace)
    lines = str(caught.value).splitlines()
    assert len(lines) == 4
    assert all("Read-only file system" in line for line in lines)


def test_f11_another_user_may_not_write():
    """Root ignores modes, so the check runs as a user who does not."""
    folder = Path(tempfile.mkdtemp())
    try:
        workspace = make_workspace(folder / "ws")
        for path in (folder, workspace.root):
            path.chmod(0o755)
        for path in (workspace.lake, workspace.warehouse_dir, workspace.published, workspace.runs):
            path.chmod(0o555)
        is_root = os.geteuid() == 0
        if is_root:
            os.seteuid(65534)
        try:
            with pytest.raises(UserError) as caught:
                check_writable(workspace)
        finally:
            if is_root:
                os.seteuid(0)
        assert len(str(caught.value).splitlines()) == 4
        assert "published: not writable (Permission denied" in str(caught.value)
    finally:
        for path in (folder / "ws").iterdir():
            path.chmod(0o755)
        shutil.rmtree(folder)


def test_a_writable_workspace_passes_and_its_folders_are_made(tmp_path):
    workspace = make_workspace(tmp_path / "ws")
    workspace.runs.rmdir()
    check_writable(workspace)
    assert workspace.runs.is_dir()
    assert list(workspace.runs.iterdir()) == []


# --- the audit: F12, F13, F15 -------------------------------------------------------------------


def spoil(part_name: str, how):
    """Spoil a copy when it is audited, after it was closed."""
    real = module.audit_file

    def audit(workspace, part, path, *others):
        if part.file_name == part_name:
            how(path)
        real(workspace, part, path, *others)

    return audit


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    for position in range(12288, len(data), 4096):
        data[position + 100] ^= 0xFF
    path.write_bytes(data)


def cut_short(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 3)


def overwrite(path: Path) -> None:
    path.write_bytes(b"not a database" * 1000)


@contextmanager
def written(path: Path):
    with duckdb.connect() as connection:
        connection.execute(f"attach '{path}' as candidate; use candidate")
        yield connection
        connection.execute("use memory; detach candidate")


def lose_a_row(path: Path) -> None:
    with written(path) as connection:
        schema = "marts" if "nps" in path.name else "restricted"
        table = "fct_nps_responses" if schema == "marts" else "quarantined_rows"
        connection.execute(f"delete from {schema}.{table} where rowid = 0")


def lose_a_table(path: Path) -> None:
    with written(path) as connection:
        name = "marts.dim_surveys" if "nps" in path.name else "restricted.quarantined_rows"
        connection.execute(f"drop table {name}")


@pytest.mark.parametrize(
    "part_name, how",
    [
        (name, how)
        for name in ("nps.duckdb", "restricted.duckdb")
        for how in (flip, cut_short, overwrite, lose_a_row, lose_a_table)
    ],
)
def test_f12_a_corrupt_copy_is_refused(published, monkeypatch, part_name, how):
    workspace, old = published
    write_build(workspace, some_facts(9))
    monkeypatch.setattr(module, "audit_file", spoil(part_name, how))
    with pytest.raises(UserError, match=rf"{part_name}: .*published before is untouched") as caught:
        go(workspace)
    assert "\n" not in str(caught.value)
    assert_untouched(workspace, old)


def test_f12_parquet_that_lacks_rows_is_refused(published, monkeypatch):
    workspace, old = published
    write_build(workspace, some_facts(9))
    real = duckdb_session.write_parquet

    def lose(connection, table, path, metadata):
        real(connection, table, path, metadata)
        if path.stem == "fct_nps_responses":
            duckdb.sql(f"copy (from '{path}' limit 12) to '{path}.new' (format parquet)")
            Path(f"{path}.new").replace(path)

    monkeypatch.setattr(duckdb_session, "write_parquet", lose)
    with pytest.raises(UserError, match="fct_nps_responses: 13 rows built, 12 rows read"):
        go(workspace)
    assert_untouched(workspace, old)


@pytest.mark.parametrize("name", ["nps.duckdb", "restricted.duckdb"])
def test_f13_a_wal_beside_the_published_file_is_refused(published, name):
    workspace, old = published
    wal = workspace.published / f"{name}.wal"
    wal.write_bytes(b"left by a BI tool")
    with pytest.raises(UserError, match=rf"{name}\.wal: a write-ahead log lies beside {name}"):
        go(workspace)
    assert wal.exists()
    wal.unlink()
    assert_untouched(workspace, old)


def test_f13_a_wal_that_remains_beside_the_copy_is_refused(published, monkeypatch):
    workspace, old = published
    real = copies.connect

    class LeavesWal:
        """A connection that closes a file without its log."""

        def __init__(self, connection):
            self.connection = connection

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.connection.close()

        def execute(self, sql):
            result = self.connection.execute(sql)
            if sql == "detach copied":
                (hidden,) = workspace.published.glob("generations/.*")
                (hidden / "nps.duckdb.wal").write_bytes(b"rows not checkpointed")
            return result

        def close(self):
            self.connection.close()

    monkeypatch.setattr(copies, "connect", lambda workspace: LeavesWal(real(workspace)))
    with pytest.raises(UserError, match=r"\.wal: a write-ahead log lies beside"):
        go(workspace)
    monkeypatch.undo()
    assert_untouched(workspace, old)


def test_f13_a_build_that_its_writer_did_not_close_is_refused(published):
    workspace, old = published
    code = """
    import duckdb, os, sys
    c = duckdb.connect(sys.argv[1])
    c.execute("insert into marts.marts.dim_surveys values ('k2', 'half done', 'nps')")
    os._exit(9)
    """
    run_python(code, workspace.marts_file)
    with pytest.raises(UserError, match="there is no finished build to publish"):
        go(workspace)
    assert_untouched(workspace, old)
    duckdb.connect(str(workspace.marts_file)).close()  # what a re-run does: open and close
    assert go(workspace).rows["marts.dim_surveys"] == 2


def test_f15_without_publishing_the_last_good_generation_shows_its_age(workspace, monkeypatch):
    assert published_generation(workspace) is None
    old = go(workspace, "good")
    write_build(workspace, some_facts(99))  # a new build whose gate failed

    class Later(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + timedelta(days=3)

    monkeypatch.setattr(queries, "datetime", Later)
    current = published_generation(workspace)
    assert current["generation_id"] == old.generation_id
    assert current["inputs_hash"] == "good"
    assert current["as_of_on"] == date(2025, 12, 31)
    assert abs(current["age_seconds"] - 3 * 86_400) < 60


def test_a_published_file_that_can_not_be_read_is_said_and_replaced(workspace):
    (workspace.published / "nps.duckdb").write_bytes(b"rubbish" * 1000)
    with pytest.raises(UserError, match=r"nps\.duckdb: can't be read"):
        published_generation(workspace)
    generation = go(workspace)
    assert set(generations(workspace).values()) == {generation.generation_id}


# --- no personal data ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def audited():
    """Run the audit for personal data on a schema `marts` made by the given statements."""
    with duckdb.connect() as connection:
        connection.execute("attach ':memory:' as published; use published")

        def audit(*statements: str) -> None:
            connection.execute("drop schema if exists marts cascade; create schema marts")
            for statement in statements:
                connection.execute(statement)
            refuse_personal_data(connection, "published", "marts")

        yield audit


EMAILS = [
    "jane@example.org",
    "see Jane.Doe+nps@mail.example.co.uk for more",
    "JANE＠EXAMPLE.ORG",
    "x@y.z",
]


@pytest.mark.parametrize("value", EMAILS)
@pytest.mark.parametrize(
    "written", ["'{}'", "'\"{}\"'::json", "['{}']", "{{'a': '{}'}}", "'{}'::enum('{}', 'b')"]
)
def test_something_like_an_email_is_refused(audited, value, written):
    cell = written.format(value, value)
    with pytest.raises(UserError) as caught:
        audited(f"create table marts.t as select 1 as a, {cell} as owner_id from range(3)")
    assert str(caught.value).startswith("marts.t.owner_id: 3 rows hold something like an e-mail")
    assert value not in str(caught.value)


@pytest.mark.parametrize("value", ["@handle", "me @ home", "a@b", "10@5", "north-west", ""])
def test_what_is_not_an_email_passes(audited, value):
    audited(f"create table marts.t as select '{value}' as region union all select null")


@pytest.mark.parametrize("column", [
    "comment", "comments", "Comment", "email", "e_mail", "customer_email", "email_address",
    "email_key", "name", "first_name", "customer_name", "raw_text", "feedback",
])  # fmt: skip
def test_a_column_named_like_personal_data_is_refused(audited, column):
    with pytest.raises(UserError, match=rf"marts\.t\.{column}: a column of this name may hold"):
        audited(f'create table marts.t (a varchar, "{column}" varchar)')


@pytest.mark.parametrize("column", [
    "file_name varchar", "touchpoint varchar", "feature_name varchar", "has_comment boolean",
    "comments bigint", "commented_on date",
])  # fmt: skip
def test_other_columns_are_allowed(audited, column):
    audited(f"create table marts.t ({column})")


def test_a_surveys_name_is_allowed(audited):
    audited("create table marts.dim_surveys (name varchar)")


def test_personal_data_in_the_build_is_never_published(published):
    workspace, old = published
    with editing(workspace) as connection:
        connection.execute("update marts.fct_nps_responses set region = 'ask jane@example.org'")
    with pytest.raises(UserError, match=r"marts\.fct_nps_responses\.region: 10 rows hold .*e-mail"):
        go(workspace)
    assert_untouched(workspace, old)


def test_support_interval_matches_the_published_numbers():
    """METRICS: 1, 2, 3 (detractors, passives, promoters)."""
    assert support.interval(3, 2, 1) == pytest.approx((-26.74326, 71.18770), abs=1e-4)
