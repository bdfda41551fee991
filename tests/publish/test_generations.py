"""What a generation shares with the one before, what it never keeps, and going back to it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import duckdb
import pytest
from test_publish import generations, go, leftovers, some_facts

from orchestration.core.duckdb_session import open_published
from orchestration.core.errors import UserError
from orchestration.publish import publish as module
from orchestration.publish.ledger import read_ledger
from orchestration.publish.publish import rollback, unchanged_generation
from orchestration.report.queries import published_generation
from orchestration.warehouse import database
from orchestration.workspace.load import load_workspace
from orchestration.workspace.writable import check_writable
from tests.publish_support import WORKSPACE_YML, editing, make_workspace, write_build

SECRET = b"ask jane@example.org"
CHANGED = {
    "marts.fct_nps_responses": "response_key in (select response_key from intermediate.affected)",
    "marts.dim_surveys": "survey_key in (select response_key from intermediate.affected)",
}


@pytest.fixture
def workspace(tmp_path):
    made = make_workspace(tmp_path / "ws")
    write_build(made, some_facts(6))
    affect(made)
    return made


def affect(workspace, *keys: str) -> None:
    """Say which responses the batch changed."""
    with editing(workspace) as connection:
        connection.execute("create schema if not exists nps.intermediate")
        connection.execute(
            "create or replace table nps.intermediate.affected as select unnest("
            f"{list(keys)}::varchar[]) as response_key"
        )


def write_report(database: Path, folder: Path) -> None:
    with open_published(database) as connection:
        (rows,) = connection.execute("select count(*) from marts.fct_nps_responses").fetchone()
    folder.mkdir()
    (folder / "index.html").write_text(f"{rows} answers")


def parquet(workspace, table: str) -> Path:
    return workspace.published / "parquet" / table / f"{table}.parquet"


def inode(path: Path) -> int:
    return path.stat().st_ino


# --- unchanged tables ---------------------------------------------------------------------------


def test_the_same_build_again_links_every_parquet_file(workspace):
    first = go(workspace)
    before = {name: inode(parquet(workspace, name)) for name in ("dim_surveys", "_generation")}
    second = go(workspace)
    assert second.generation_id != first.generation_id
    assert inode(parquet(workspace, "dim_surveys")) == before["dim_surveys"]
    assert inode(parquet(workspace, "_generation")) != before["_generation"]


def test_a_batch_links_what_it_changed_no_row_of(workspace):
    go(workspace, "one")
    names = ("dim_surveys", "fct_nps_responses", "fct_nps_by_period")
    before = {name: inode(parquet(workspace, name)) for name in names}
    affect(workspace, "0" * 31 + "3")
    with editing(workspace) as connection:
        connection.execute(
            "update marts.fct_nps_responses set score = 9 where response_key = repeat('0', 31) || 3"
        )
    go(workspace, "two", changed=CHANGED, built_from="one")
    assert inode(parquet(workspace, "dim_surveys")) == before["dim_surveys"]
    # one row was replaced; of the third table no condition is known
    assert inode(parquet(workspace, "fct_nps_responses")) != before["fct_nps_responses"]
    assert inode(parquet(workspace, "fct_nps_by_period")) != before["fct_nps_by_period"]
    scores = duckdb.sql(f"select score from '{parquet(workspace, 'fct_nps_responses')}'").fetchall()
    assert sorted(score for (score,) in scores) == [0] * 4 + [9] + [10] * 5


def test_a_removed_row_is_a_change_though_no_row_meets_the_condition(workspace):
    go(workspace, "one")
    before = inode(parquet(workspace, "fct_nps_responses"))
    affect(workspace, "0" * 31 + "3")
    with editing(workspace) as connection:
        connection.execute(
            "delete from marts.fct_nps_responses where response_key = repeat('0', 31) || 3"
        )
    go(workspace, "two", changed=CHANGED, built_from="one")
    assert inode(parquet(workspace, "fct_nps_responses")) != before


@pytest.mark.parametrize("built_from", [None, "another"])
def test_a_build_that_did_not_go_on_from_what_is_published_links_nothing(workspace, built_from):
    go(workspace, "one")
    before = inode(parquet(workspace, "dim_surveys"))
    affect(workspace)
    go(workspace, "two", changed=CHANGED, built_from=built_from)
    assert inode(parquet(workspace, "dim_surveys")) != before


def test_a_published_file_that_somebody_wrote_to_vouches_for_nothing(workspace):
    go(workspace)
    before = inode(parquet(workspace, "dim_surveys"))
    path = workspace.published / "nps.duckdb"
    path.chmod(0o644)
    with duckdb.connect(str(path)) as connection:
        connection.execute("update marts.dim_surveys set name = 'forged'")
    go(workspace)
    assert inode(parquet(workspace, "dim_surveys")) != before
    assert duckdb.sql(f"select name from '{parquet(workspace, 'dim_surveys')}'").fetchall() == [
        ("Relational survey",)
    ]


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: os.truncate(path, 20)])
def test_a_parquet_file_that_is_gone_or_damaged_is_written_again(workspace, damage):
    go(workspace)
    path = parquet(workspace, "fct_nps_responses")
    path.chmod(0o644)
    damage(path)
    go(workspace)
    assert duckdb.sql(f"select count(*) from '{path}'").fetchall() == [(10,)]


def test_without_hard_links_and_copies_in_the_kernel_all_is_the_same(workspace, monkeypatch):
    def refuse(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(os, "copy_file_range", refuse)
    go(workspace)
    go(workspace)
    assert duckdb.sql(f"select count(*) from '{parquet(workspace, 'dim_surveys')}'").fetchall() == [
        (1,)
    ]
    assert len(set(generations(workspace).values())) == 1


# --- what a file may not keep -------------------------------------------------------------------


def test_a_deleted_comment_leaves_no_byte_in_the_restricted_file(workspace):
    with editing(workspace) as connection:
        connection.execute(
            "insert into restricted.response_comments select i, 'fine' from range(5000) as r (i)"
        )
    go(workspace, "one")
    path = workspace.published / "restricted.duckdb"
    assert SECRET in path.read_bytes()
    with editing(workspace) as connection:
        connection.execute("delete from restricted.response_comments where comment <> 'fine'")
    assert SECRET in workspace.restricted_file.read_bytes()  # deleting leaves bytes behind
    go(workspace, "two", built_from="one")
    assert SECRET not in path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    with open_published(path) as connection:
        assert connection.execute("from restricted.quarantined_rows").fetchall() != []
        assert connection.execute(
            "select comment from duckdb_tables() where table_name = 'response_comments'"
        ).fetchall() == [("What people wrote",)]


def test_a_file_of_holes_is_rewritten(workspace, monkeypatch):
    with editing(workspace) as connection:
        connection.execute("create table marts.large as select uuid() as k from range(300000)")
        connection.execute("checkpoint marts_file")
        # behind it, so that the file does not just end earlier without it
        connection.execute("create table marts.last as select uuid() as k from range(20000)")
        connection.execute("checkpoint marts_file")
        connection.execute("drop table marts.large")
        connection.execute("checkpoint marts_file")
    go(workspace)
    copied = (workspace.published / "nps.duckdb").stat().st_size
    monkeypatch.setattr(database, "SMALL_FILE", 0)
    go(workspace)
    rewritten = workspace.published / "nps.duckdb"
    assert rewritten.stat().st_size < copied / 2
    assert rewritten.stat().st_mode & 0o777 == 0o444
    with open_published(rewritten) as connection:
        assert connection.execute("select count(*) from marts.fct_nps_responses").fetchone() == (
            10,
        )
        assert connection.execute(
            "select comment from duckdb_columns() where table_name = 'fct_nps_by_period' "
            "and column_name = 'nps'"
        ).fetchone() == ("100 (P - D) / n",)


def test_a_file_whose_end_was_cut_off_by_a_checkpoint_is_whole(workspace):
    """Its header still counts the blocks that were dropped."""
    with editing(workspace) as connection:
        connection.execute("create table marts.large as select uuid() as k from range(300000)")
        connection.execute("checkpoint marts_file")
    with editing(workspace) as connection:
        connection.execute("drop table marts.large")
        connection.execute("checkpoint marts_file")
    go(workspace)
    path = workspace.published / "nps.duckdb"
    with open_published(path) as connection:
        (counted,) = connection.execute(
            "select block_size * total_blocks from pragma_database_size() "
            "where database_name = 'published'"
        ).fetchone()
    assert path.stat().st_size < counted


def test_an_email_in_what_the_caller_says_of_the_generation_is_refused(workspace):
    with pytest.raises(UserError, match=r"marts\._generation\.versions: 1 rows hold"):
        module.publish(workspace, inputs_hash="x", versions={"by": "jane@example.org"})


# --- the report and the setting of Parquet ------------------------------------------------------


def test_the_report_is_part_of_its_generation(workspace):
    go(workspace, report=write_report)
    page = workspace.published / "report" / "index.html"
    assert page.read_text() == "10 answers"
    write_build(workspace, some_facts(9))
    go(workspace, report=write_report)
    assert page.read_text() == "13 answers"
    earlier = rollback(workspace)
    assert page.read_text() == "10 answers"
    assert page.resolve().parent.parent.name == earlier


def test_without_parquet_there_is_no_link_to_it(tmp_path):
    made = make_workspace(tmp_path / "ws")
    write_build(made, some_facts(6))
    go(made)
    made = make_workspace(tmp_path / "ws", WORKSPACE_YML + "publish: {parquet: false}\n")
    generation = go(made)
    assert generation.bytes["parquet"] == 0
    assert not (made.published / "parquet").is_symlink()
    check_writable(made)
    made = make_workspace(tmp_path / "ws", WORKSPACE_YML)
    go(made)
    assert parquet(made, "dim_surveys").exists()


# --- nothing to publish -------------------------------------------------------------------------


def test_what_is_published_from_this_build_is_not_published_again(workspace):
    assert unchanged_generation(workspace, "inputs") is None
    first = go(workspace, report=write_report)
    assert unchanged_generation(workspace, "inputs") == first
    assert unchanged_generation(workspace, "others") is None


@pytest.mark.parametrize(
    "change",
    [
        lambda w: affect(w, "another"),
        lambda w: (w.published / "restricted.duckdb").unlink(),
        lambda w: (w.published / "nps.duckdb").resolve().unlink(),
        lambda w: (w.published / "nps.duckdb.wal").write_bytes(b"x"),
        lambda w: os.utime(w.published / "nps.duckdb"),
        lambda w: shutil.rmtree(w.published / "parquet" / "dim_surveys"),
        lambda w: shutil.rmtree((w.published / "report").resolve()),
        lambda w: (w.published / "ledger.jsonl").unlink(),
    ],
)
def test_whatever_changed_in_the_build_or_the_files_is_published(workspace, change):
    go(workspace, report=write_report)
    change(workspace)
    assert unchanged_generation(workspace, "inputs") is None


# --- going back ---------------------------------------------------------------------------------


def test_a_rollback_turns_everything_back_and_is_in_the_ledger(workspace):
    first = go(workspace, "one", report=write_report)
    write_build(workspace, some_facts(9))
    second = go(workspace, "two", report=write_report)
    assert rollback(workspace) == first.generation_id
    assert set(generations(workspace).values()) == {first.generation_id}
    line = read_ledger(workspace)[-1]
    assert line["rolled_back_from"] == second.generation_id
    assert line["rolled_back_to"] == first.generation_id
    # what was rolled back is published again when something changed, or when it is asked for
    assert unchanged_generation(workspace, "two").generation_id == first.generation_id
    assert unchanged_generation(workspace, "three") is None
    third = go(workspace, "two", report=write_report)
    assert set(generations(workspace).values()) == {third.generation_id}
    assert leftovers(workspace) == []


def test_there_is_one_generation_to_go_back_to(workspace):
    with pytest.raises(UserError, match="there is no earlier generation"):
        rollback(workspace)
    ids = [go(workspace).generation_id for _ in range(3)]
    assert rollback(workspace) == ids[1]
    with pytest.raises(UserError, match="there is no earlier generation"):
        rollback(workspace)


def test_an_earlier_generation_that_cannot_be_read_is_not_gone_back_to(workspace):
    first, second = go(workspace), go(workspace)
    folder = workspace.published / "generations" / first.generation_id
    (folder / "restricted.duckdb").unlink()
    with pytest.raises(UserError, match="stopped while rolling back"):
        rollback(workspace)
    assert published_generation(workspace)["generation_id"] == second.generation_id


# --- an older workspace -------------------------------------------------------------------------


def as_before(workspace) -> str:
    """Lay out `published/` as versions did that had no generation folders; the generation's id."""
    generation = go(workspace, report=write_report)
    published = workspace.published
    folder = (published / "current").resolve()
    for name in ("current", "nps.duckdb", "restricted.duckdb", "parquet", "report"):
        (published / name).unlink()
    for name in ("nps.duckdb", "restricted.duckdb", "report"):
        (folder / name).rename(published / name)
    (folder / "parquet").rename(published / f".parquet-{generation.generation_id}")
    (published / "parquet").symlink_to(f".parquet-{generation.generation_id}")
    shutil.rmtree(published / "generations")
    return generation.generation_id


def test_an_older_workspace_is_taken_over_even_if_nothing_can_be_published(workspace):
    old = as_before(workspace)
    page = workspace.published / "report" / "index.html"
    hidden = workspace.marts_file.rename(workspace.marts_file.with_suffix(".hidden"))
    with pytest.raises(UserError, match="there is no finished build to publish"):
        go(workspace)
    assert set(generations(workspace).values()) == {old}
    assert page.read_text() == "10 answers"
    assert leftovers(workspace) == []
    assert (workspace.published / "nps.duckdb").is_symlink()
    hidden.rename(workspace.marts_file)
    new = go(workspace, report=write_report)
    assert set(generations(workspace).values()) == {new.generation_id}
    assert rollback(workspace) == old


@pytest.mark.parametrize("nth", range(1, 8))
def test_killed_while_taking_over_readers_keep_the_old_generation(workspace, nth, monkeypatch):
    old = as_before(workspace)

    class Killed(BaseException):
        pass

    real, calls = module.replace, []

    def cut(source, target):
        calls.append(target)
        if len(calls) == nth:
            raise Killed
        real(source, target)

    for name in ("core.files.replace", "publish.folders.replace", "publish.publish.replace"):
        monkeypatch.setattr(f"orchestration.{name}", cut)
    monkeypatch.setattr("orchestration.publish.folders.sweep", lambda *_: None)
    with pytest.raises(Killed):
        go(workspace, report=write_report)
    found = generations(workspace)
    assert {found[name] for name in ("nps.duckdb", "restricted.duckdb", "parquet")} == {old}
    monkeypatch.undo()
    new = go(workspace, report=write_report)
    assert set(generations(workspace).values()) == {new.generation_id}
    assert leftovers(workspace) == []


def test_an_older_workspace_whose_file_cannot_be_read_is_replaced(workspace):
    as_before(workspace)
    (workspace.published / "nps.duckdb").chmod(0o644)
    (workspace.published / "nps.duckdb").write_bytes(b"rubbish" * 1000)
    new = go(workspace, report=write_report)
    assert set(generations(workspace).values()) == {new.generation_id}
    assert (workspace.published / "report").is_symlink()
    assert leftovers(workspace) == []


def test_a_line_of_an_older_ledger_is_read(workspace):
    old = as_before(workspace)
    ledger = workspace.published / "ledger.jsonl"
    (line,) = read_ledger(workspace)
    ledger.write_text(json.dumps({**line, "content_hash": "of rows"}) + "\n")
    go(load_workspace(workspace.root), report=write_report)
    assert read_ledger(workspace)[0]["generation_id"] == old
