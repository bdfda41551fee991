"""dbt in the tests' own process, once: an empty workspace, its manifest, its warehouse, its SQL.

Each step is made when a test first asks for it and is shared by all test modules after that.
"""

from __future__ import annotations

import atexit
import json
import os
import re
import runpy
import shutil
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import duckdb
import yaml

from orchestration.lake import prepare_lake
from orchestration.publish.ledger import write_lake_tables
from orchestration.warehouse.database import open_build
from orchestration.warehouse.dbt import release_dbt
from orchestration.workspace.load import load_workspace
from orchestration.workspace.model import Workspace

PROJECT = "nps_warehouse"
PROJECT_DIR = Path(__file__).parents[1]
# The unit tests' rows have these columns, so the warehouse they run on must.
SEGMENTS = ("region", "plan")
# Of the workspace, and of the unit tests' days.
ZONE = "Europe/Brussels"
DECLARED = {
    "version": 1,
    "as_of": "2025-12-31",
    "timezone": ZONE,
    "segments": list(SEGMENTS),
    "sources": [
        {
            "name": "crm",
            "entity": "customers",
            "files": "customers*.csv",
            "columns": {"customer_id": "id"},
            "attributes": {name: name for name in SEGMENTS},
        }
    ],
}


@cache
def empty_workspace() -> Workspace:
    """A workspace of two segments to which nothing was ever delivered."""
    root = Path(tempfile.mkdtemp(prefix="nps-dbt-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    (root / "workspace.yml").write_text(yaml.safe_dump(DECLARED), encoding="utf-8")
    workspace = load_workspace(root)
    prepare_lake(workspace)
    write_lake_tables(workspace)
    workspace.warehouse_dir.mkdir(parents=True, exist_ok=True)
    return workspace


def target_dir() -> Path:
    """Where dbt leaves its manifest and the SQL it compiled."""
    return empty_workspace().runs / "dbt"


def run_dbt(*arguments: str) -> Any:
    """Run dbt on the empty workspace.

    Returns:
        dbt's own result: ``success``, ``exception``, and what the command makes in ``result``.
    """
    from dbt.cli.main import dbtRunner

    workspace = empty_workspace()
    environment = {
        "NPS_WORKSPACE": str(workspace.root),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DO_NOT_TRACK": "1",
    }
    with mock.patch.dict(os.environ, environment):
        try:
            return dbtRunner().invoke(
                [
                    *arguments,
                    *("--project-dir", str(PROJECT_DIR), "--profiles-dir", str(PROJECT_DIR)),
                    *("--target-path", str(target_dir())),
                    *("--log-path", str(workspace.runs / "logs")),
                    *("--quiet", "--no-use-colors"),
                ]
            )
        finally:
            release_dbt()


@cache
def manifest() -> dict[str, Any]:
    """dbt's manifest of the project, parsed and not built."""
    outcome = run_dbt("parse")
    assert outcome.success, outcome.exception
    path = target_dir() / "manifest.json"
    return json.loads(path.read_text(encoding="utf-8"))


@cache
def warehouse() -> Workspace:
    """The empty workspace with every seed and model built; no test is run."""
    manifest()  # so that the build has parsed files to start from
    outcome = run_dbt("build", "--exclude-resource-type", "unit_test", "test")
    assert outcome.success, [
        (result.node.name, result.message)
        for result in outcome.result or []
        if result.status not in ("success", "pass")
    ] or outcome.exception
    return empty_workspace()


@cache
def compiled(model: str) -> str:
    """The SQL that dbt made of a model for the empty workspace, as a query on one database."""
    warehouse()
    folder = target_dir() / "compiled" / PROJECT / "models"
    return _on_one_database((folder / nodes("model")[model]["path"]).read_text(encoding="utf-8"))


@cache
def compiled_inline(sql: str) -> str:
    """The SQL that dbt makes of a query with macros, refs and sources in it."""
    warehouse()
    outcome = run_dbt("compile", "--inline", sql)
    assert outcome.success, outcome.exception
    (result,) = outcome.result.results
    return _on_one_database(result.node.compiled_code)


def _on_one_database(sql: str) -> str:
    """The SQL with all tables in the database `nps`: a transaction can write to one file only.

    Keys are text, as in an ``empty_database``. The zone, which was read when the SQL was compiled,
    is read when it runs.
    """
    sql = re.sub(r'"(marts|restricted)_file"[.]', '"nps".', sql)
    sql = sql.replace(" as uuid)", " as varchar)")
    return sql.replace(f"'{ZONE}'", "(select timezone from nps.raw.workspace)")


@cache
def _layout() -> tuple[tuple[str, str, str], ...]:
    """Schema, name and columns of every table and view of the warehouse."""
    with open_build(warehouse()) as connection:
        return tuple(
            connection.execute(
                """
                select schema_name, table_name, string_agg(
                    format('"{}" {}', column_name, replace(data_type, 'UUID', 'VARCHAR')),
                    ', ' order by column_index
                )
                from duckdb_columns() where not internal group by all
                """
            ).fetchall()
        )


def empty_database() -> duckdb.DuckDBPyConnection:
    """A database in memory, laid out as the warehouse's files together, for compiled SQL to run on.

    The seeds are filled; every other table and view of the warehouse is an empty table. Keys are text
    here, so that tests can give them as words.
    """
    connection = duckdb.connect(":memory:")
    connection.execute("attach ':memory:' as nps")
    for schema, table, columns in _layout():
        connection.execute(f'create schema if not exists nps."{schema}"')
        connection.execute(f'create table nps."{schema}"."{table}" ({columns})')
    connection.execute(f"attach '{warehouse().warehouse_file}' as built (read_only)")
    for schema, table, _ in _layout():
        if schema == "seeds":
            connection.execute(f'insert into nps.seeds."{table}" from built.seeds."{table}"')
    connection.execute("detach built")
    connection.execute("use nps")
    connection.execute("set TimeZone = 'UTC'")
    connection.execute("set threads = 1")  # a few rows: threads cost more than they bring
    return connection


def rebuild(connection: duckdb.DuckDBPyConnection, models: Iterable[str]) -> None:
    """Fill the tables of intermediate models from the others of an ``empty_database``, in order."""
    for model in models:
        connection.execute(f'delete from nps.intermediate."{model}"')
        if nodes("model")[model]["language"] == "sql":
            rows = compiled(model)
        else:
            connection.register("python_rows", python_rows(connection, model))
            rows = "from python_rows"
        connection.execute(f'insert into nps.intermediate."{model}" by name {rows}')


def python_rows(connection: duckdb.DuckDBPyConnection, model: str) -> Any:
    """What a Python model makes of the tables of an ``empty_database``."""
    schemas = {name: node["schema"] for name, node in ours("nodes").items()}
    dbt = SimpleNamespace(
        ref=lambda name: connection.table(f"nps.{schemas[name]}.{name}"),
        source=lambda schema, name: connection.table(f"nps.{schema}.{name}"),
    )
    path = PROJECT_DIR / nodes("model")[model]["original_file_path"]
    return runpy.run_path(str(path))["model"](dbt, connection)


def ours(kind: str) -> dict[str, dict[str, Any]]:
    """The project's own entries of one section of the manifest (macros, sources …), by name."""
    return {
        entry["name"]: entry
        for entry in manifest()[kind].values()
        if entry["package_name"] == PROJECT
    }


def nodes(resource_type: str) -> dict[str, dict[str, Any]]:
    """The project's own nodes of one type (model, seed, test), by name."""
    return {
        name: node for name, node in ours("nodes").items() if node["resource_type"] == resource_type
    }


def layer(node: dict[str, Any]) -> str:
    """The folder of a model: its layer."""
    return Path(node["original_file_path"]).parts[1]


def bare_sql(code: str) -> str:
    """Code without comments, quoted texts and grouped positions: what is left to compute with."""
    code = re.sub(r"\{#.*?#\}", " ", code, flags=re.DOTALL)
    code = re.sub(r"--[^\n]*", " ", code)
    code = re.sub(r"group by [\d, ]+", " ", code)
    return re.sub(r"'[^']*'", "''", code)
