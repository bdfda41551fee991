"""Calling dbt in this process: what it forgets, and what it says of a project that does not parse."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
from publish_support import WORKSPACE_YML, make_workspace

from orchestration.core.errors import UserError
from orchestration.warehouse.build import build_models
from orchestration.warehouse.dbt import invoke_dbt, target_dir


@pytest.fixture
def workspace(tmp_path):
    return make_workspace(tmp_path / "ws")


@pytest.fixture
def dbt(monkeypatch, workspace):
    """A dbt that cannot make sense of the project while it remembers another one."""
    from dbt_common.exceptions import CompilationError

    remembered = target_dir(workspace) / "partial_parse.msgpack"
    remembered.parent.mkdir(parents=True)
    fake = SimpleNamespace(calls=0, remembered=remembered, is_broken=False)

    class Runner:
        def __init__(self, callbacks):
            pass

        def invoke(self, command):
            fake.calls += 1
            fake.writes_bytecode = not sys.dont_write_bytecode
            wrong = remembered.exists() or fake.is_broken
            error = CompilationError("two entries\n  for models/a.yml") if wrong else None
            return SimpleNamespace(exception=error, result=None, success=error is None)

    monkeypatch.setattr("dbt.cli.main.dbtRunner", Runner)
    return fake


def test_what_dbt_remembers_of_another_project_is_forgotten(workspace, dbt):
    dbt.remembered.write_bytes(b"of the version before")
    assert invoke_dbt(workspace, "build") is True
    assert dbt.calls == 2
    assert not dbt.remembered.exists()


def test_no_bytecode_of_python_models_is_left_behind(workspace, dbt, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    assert invoke_dbt(workspace, "build") is True
    assert (dbt.writes_bytecode, sys.dont_write_bytecode) == (False, False)


def test_a_project_that_does_not_parse_is_told_once_in_one_line(workspace, dbt):
    dbt.is_broken = True
    with pytest.raises(UserError, match=r"^dbt parse: .*two entries for models/a.yml$"):
        invoke_dbt(workspace, "parse")
    assert dbt.calls == 1


def test_a_build_does_not_quote_what_dbt_says(workspace, dbt):
    """From a build on, dbt's words may hold cells."""
    dbt.is_broken = True
    with pytest.raises(UserError) as caught:
        invoke_dbt(workspace, "build")
    assert "models/a.yml" not in str(caught.value)


def test_a_full_build_removes_what_a_killed_one_spilled(workspace, dbt):
    """DuckDB spills into a folder beside its file."""
    from orchestration.lake import prepare_lake
    from orchestration.publish.ledger import write_lake_tables

    prepare_lake(workspace)
    write_lake_tables(workspace)
    folder = workspace.warehouse_dir / "nps.duckdb.tmp"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "duckdb_temp_storage_S32K-0.tmp").write_bytes(b"rows")
    (workspace.warehouse_dir / "nps.duckdb.wal").write_bytes(b"half a model")
    assert build_models(workspace) == []
    assert list(workspace.warehouse_dir.glob("nps.duckdb*")) == []


@pytest.mark.parametrize(("declared", "limit"), [("900MB", "858.3 MiB"), (None, "GiB")])
def test_the_memory_limit_reaches_dbts_own_connection(tmp_path, declared, limit, monkeypatch):
    from orchestration.lake import prepare_lake
    from orchestration.warehouse.dbt import release_dbt

    monkeypatch.setenv("NPS_WORKSPACE", str(tmp_path))
    monkeypatch.setenv("NPS_MEMORY_LIMIT", "")
    line = f"memory_limit: {declared}\n" if declared else ""
    workspace = make_workspace(tmp_path / "limited", WORKSPACE_YML + line)
    prepare_lake(workspace)
    previews: list[str] = []
    try:
        invoke_dbt(
            workspace,
            "show",
            "--inline",
            "select current_setting('memory_limit') as found",
            on_event=lambda event: previews.append(str(getattr(event.data, "preview", ""))),
        )
    finally:
        release_dbt()
    assert any(limit in preview for preview in previews), previews
