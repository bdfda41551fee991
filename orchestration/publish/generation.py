"""A published generation: its two DuckDB files, and what each says of itself in `_generation`."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from orchestration.core.duckdb_session import one_row, open_published
from orchestration.core.files import hash_of_files, is_dated, wal_file
from orchestration.core.sql import literal
from orchestration.warehouse.build_record import state_of_build
from orchestration.workspace.model import Workspace


class Part(NamedTuple):
    """A published DuckDB file: its only schema, the build's database that it copies, its mode."""

    schema: str
    database: str
    file_name: str
    mode: int


MARTS = Part("marts", "marts_file", "nps.duckdb", 0o444)
RESTRICTED = Part("restricted", "restricted_file", "restricted.duckdb", 0o600)
PARTS = (MARTS, RESTRICTED)

GENERATION_TABLE = "_generation"
_COLUMNS = (
    ("generation_id", "varchar", "Identifies the generation; sorts by time of publication."),
    ("built_at", "timestamp", "When the generation was published, UTC."),
    ("as_of_on", "date", "The day, in the business zone, at whose end every figure stands."),
    ("inputs_hash", "varchar", "Hash of the files and settings the generation was built from."),
    ("dbt_version", "varchar", "Version of dbt that built it."),
    ("duckdb_version", "varchar", "Version of DuckDB that built it."),
    ("versions", "varchar", "Versions of everything named by the build, as JSON."),
    ("state", "varchar", "What the next publication needs to know of this one, as JSON."),
)


def new_stamp(
    workspace: Workspace, inputs_hash: str, versions: Mapping[str, str], built_from: str | None
) -> dict[str, Any]:
    """The row of `_generation` of a generation that is about to be made."""
    built_at, build = datetime.now(UTC), state_of_build(workspace)
    return {
        # Time first, so that ids sort as they were published; the rest keeps them apart.
        "generation_id": f"{built_at:%Y%m%dT%H%M%S%fZ}-{uuid.uuid4().hex[:8]}",
        "built_at": built_at,
        "as_of_on": workspace.as_of_on,
        "inputs_hash": inputs_hash,
        "dbt_version": versions.get("dbt"),
        "duckdb_version": duckdb.__version__,
        "versions": {"duckdb": duckdb.__version__, **versions},
        "state": {"build": build, "built_from": built_from, "publisher": _publisher()},
    }


def write_generation(
    connection: duckdb.DuckDBPyConnection, schema: str, stamp: Mapping[str, Any]
) -> None:
    """Write the one row of `_generation`, with comments, into a schema `<database>.<schema>`."""
    texts = {
        name: json.dumps(value, sort_keys=True) if isinstance(value, dict) else value
        for name, value in stamp.items()
    }
    table = f"{schema}.{GENERATION_TABLE}"
    values = ", ".join(f"{literal(texts[name])}::{kind} as {name}" for name, kind, _ in _COLUMNS)
    connection.execute(f"create or replace table {table} as select {values}")
    connection.execute(f"comment on table {table} is 'Which generation this file is; one row.'")
    for name, _, description in _COLUMNS:
        connection.execute(f"comment on column {table}.{name} is {literal(description)}")


def read_generation(path: Path, schema: str) -> dict[str, Any]:
    """The one row of a file's `_generation`, with aware times and JSON as dictionaries."""
    names = [name for name, _, _ in _COLUMNS]
    with open_published(path) as connection:
        sql = f"select {', '.join(names)} from {schema}.{GENERATION_TABLE}"
        row = dict(zip(names, one_row(connection.execute(sql)), strict=True))
    row["built_at"] = row["built_at"].replace(tzinfo=UTC)
    return row | {name: json.loads(row[name]) for name in ("versions", "state")}


def read_trusted(workspace: Workspace, part: Part) -> dict[str, Any] | None:
    """The row of a published file that this very code wrote and nobody changed; else None."""
    path = workspace.published / part.file_name
    try:
        row = read_generation(path, part.schema)
        unchanged = is_dated(path, row["built_at"]) and not wal_file(path).exists()
        return row if unchanged and row["state"].get("publisher") == _publisher() else None
    except (duckdb.Error, OSError, ValueError):
        return None


@lru_cache(maxsize=1)
def _publisher() -> str:
    """What decides what a generation holds and how it is searched: code, and DuckDB."""
    packages = [Path(__file__).parents[1] / name for name in ("publish", "quality", "report")]
    return f"{duckdb.__version__} {hash_of_files(packages)}"
