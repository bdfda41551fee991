"""A published generation: what it says of itself, and its line in the ledger."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from orchestration.core.duckdb_session import spill_settings
from orchestration.core.errors import UserError
from orchestration.core.files import reason_of
from orchestration.core.sql import identifier, literal
from orchestration.publish.ledger import append_line, new_figures, read_ledger

if TYPE_CHECKING:
    from orchestration.workspace.model import Workspace


GENERATION_TABLE = "_generation"
UNTOUCHED = "the generation published before is untouched"


@dataclass(frozen=True)
class Part:
    """One of the two published DuckDB files.

    Attributes:
        schema: its only schema.
        database: the build's database that it is copied from.
        file_name: its name.
        mode: its mode.
    """

    schema: str
    database: str
    file_name: str
    mode: int


MARTS = Part("marts", "marts_file", "nps.duckdb", 0o444)
RESTRICTED = Part("restricted", "restricted_file", "restricted.duckdb", 0o600)
PARTS = (MARTS, RESTRICTED)


@dataclass(frozen=True)
class Generation:
    """One published generation, as its line in the ledger says.

    Attributes:
        generation_id: sorts by time; the same in both files and the name of their folder.
        built_at: UTC, ISO 8601.
        as_of_on: the day, ISO 8601, whose end every figure is computed at.
        inputs_hash: what the caller says the generation was built from.
        rows: rows of every published table, by `<schema>.<table>`.
        headline: metric, survey_type, responses, nps, ci_low, ci_high of the headline figure
            over all time; None where the build has no such row.
        figures: the headline figures that no earlier generation published so, see
            `orchestration.publish.ledger`.
        bytes: sizes of nps.duckdb, restricted.duckdb and the Parquet folder.
        versions: versions of what built it, by name.
    """

    generation_id: str
    built_at: str
    as_of_on: str
    inputs_hash: str
    rows: dict[str, int]
    headline: dict[str, Any] | None
    figures: list[list[Any]]
    bytes: dict[str, int]
    versions: dict[str, str]


@contextmanager
def open_published(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a published file as readers should: read-only, and unable to touch other files.

    Attached to a fresh in-memory database rather than connected to: DuckDB shares one instance
    of a path within a process, so a connection forgotten elsewhere would answer with the
    generation before. Tables are named `<schema>.<table>`.

    Raises:
        duckdb.Error: the file is missing or is not a readable DuckDB file.
    """
    connection = duckdb.connect()
    try:
        connection.execute(f"attach {literal(path)} as published (read_only)")
        connection.execute("use published")
        connection.execute("set enable_external_access = false")
        connection.execute("set lock_configuration = true")
        yield connection
    finally:
        connection.close()


def read_generation(path: Path, schema: str) -> dict[str, Any]:
    """The one row of a file's `_generation`, with aware times and versions as a dict."""
    with open_published(path) as connection:
        result = connection.execute(
            "select generation_id, built_at, as_of_on, inputs_hash, versions, state "
            f"from {schema}.{GENERATION_TABLE}"
        )
        names = [column[0] for column in result.description]
        row = dict(zip(names, one_row(result), strict=True))
    row["built_at"] = row["built_at"].replace(tzinfo=UTC)
    row["versions"] = json.loads(row["versions"])
    row["state"] = json.loads(row["state"])
    return row


def published_generation(workspace: Workspace) -> dict[str, Any] | None:
    """Read which generation BI sees now, and how old it is.

    Returns:
        None when nothing is published yet; else generation_id, built_at (aware, UTC), as_of_on
        (date), inputs_hash, versions (by name) and age_seconds since built_at.

    Raises:
        UserError: the published file is there but can't be read.
    """
    path = workspace.published / MARTS.file_name
    if not path.exists():
        return None
    try:
        row = read_generation(path, MARTS.schema)
    except duckdb.Error as error:
        raise UserError(
            f"{path}: can't be read ({reason_of(error)}); run refresh to publish anew"
        ) from error
    age = datetime.now(UTC) - row["built_at"]
    return row | {"age_seconds": max(0, round(age.total_seconds()))}


# --- the row of a file -----------------------------------------------------------------------

_GENERATION_COLUMNS = {
    "generation_id": ("varchar", "Identifies the generation; sorts by time of publication."),
    "built_at": ("timestamp", "When the generation was published, UTC."),
    "as_of_on": ("date", "The day, in the business zone, at whose end every figure stands."),
    "inputs_hash": ("varchar", "Hash of the files and settings the generation was built from."),
    "dbt_version": ("varchar", "Version of dbt that built it."),
    "duckdb_version": ("varchar", "Version of DuckDB that built it."),
    "versions": ("varchar", "Versions of everything named by the build, as JSON."),
    "state": ("varchar", "What the next publication needs to know of this one, as JSON."),
}


def write_generation(
    connection: duckdb.DuckDBPyConnection, schema: str, generation: Mapping[str, Any]
) -> None:
    """Write the one row of `_generation`, with comments, into a schema `<database>.<schema>`.

    `generation` has a value for every column; versions and state are written as JSON.
    """
    versions = generation["versions"]
    row = dict(generation) | {
        "dbt_version": versions.get("dbt"),
        "duckdb_version": versions.get("duckdb"),
        "versions": json.dumps(versions, sort_keys=True),
        "state": json.dumps(generation["state"], sort_keys=True),
    }
    table = f"{schema}.{GENERATION_TABLE}"
    columns = ", ".join(f"{name} {kind}" for name, (kind, _) in _GENERATION_COLUMNS.items())
    connection.execute(f"create or replace table {table} ({columns})")
    values = ", ".join(literal(row[name]) for name in _GENERATION_COLUMNS)
    connection.execute(f"insert into {table} values ({values})")
    connection.execute(f"comment on table {table} is 'Which generation this file is; one row.'")
    for name, (_, description) in _GENERATION_COLUMNS.items():
        connection.execute(f"comment on column {table}.{name} is {literal(description)}")


# --- queries -----------------------------------------------------------------------------------


def connect(workspace: Workspace) -> duckdb.DuckDBPyConnection:
    """An in-memory connection within the memory limit, spilling inside the workspace."""
    connection = duckdb.connect()
    for statement in spill_settings(workspace.spill, workspace.memory_limit):
        connection.execute(statement)
    return connection


def table_rows(connection: duckdb.DuckDBPyConnection, database: str, schema: str) -> dict[str, int]:
    """Rows of every table of a schema by name, counted: DuckDB notes them by row group."""
    names = connection.execute(
        f"select table_name from duckdb_tables() where database_name = {literal(database)} "
        f"and schema_name = {literal(schema)} order by table_name"
    ).fetchall()
    counts = " union all ".join(
        f"select {literal(name)}, count(*) from {qualified(database, schema, name)}"
        for (name,) in names
    )
    return dict(connection.execute(counts).fetchall()) if names else {}


def qualified(database: str, schema: str, table: str) -> str:
    """A table's full name, quoted for SQL."""
    return ".".join(map(identifier, (database, schema, table)))


def one_row(result: duckdb.DuckDBPyConnection) -> tuple[Any, ...]:
    """The first row of a result.

    Raises:
        duckdb.InvalidInputException: there is none.
    """
    row = result.fetchone()
    if row is None:
        raise duckdb.InvalidInputException("no row where one is needed")
    return row


# --- the ledger -------------------------------------------------------------------------------


def reconcile_ledger(workspace: Workspace) -> bool:
    """Write the ledger line of a run that was killed after the rename.

    Returns:
        True when a line was written; False when nothing was owed, nothing is published, or the
        published file can't be read (the next publication replaces it).
    """
    published = workspace.published
    if not (published / MARTS.file_name).exists():
        return False
    try:
        generation_id = read_generation(published / MARTS.file_name, MARTS.schema)["generation_id"]
        if any(line.get("generation_id") == generation_id for line in read_ledger(workspace)):
            return False
        record = ledger_record(workspace)
    except duckdb.Error:
        return False
    append_line(published / "ledger.jsonl", record)
    return True


def ledger_record(workspace: Workspace) -> dict[str, Any]:
    """What the published files say of themselves; the same whoever asks, and when."""
    published = workspace.published
    path = published / MARTS.file_name
    row = read_generation(path, MARTS.schema)
    with open_published(path) as connection:
        rows = _row_counts(connection, MARTS.schema)
        headline, figures = None, []
        if f"{MARTS.schema}.fct_nps_by_period" in rows:
            headline = _headline(connection, workspace)
            ledger = read_ledger(workspace)
            figures = new_figures(connection, workspace, row["as_of_on"], ledger)
    sizes = {MARTS.file_name: path.stat().st_size}
    restricted = published / RESTRICTED.file_name
    with suppress(duckdb.Error):  # a restricted file that can't be read shows by its absence
        with open_published(restricted) as connection:
            rows |= _row_counts(connection, RESTRICTED.schema)
        sizes[RESTRICTED.file_name] = restricted.stat().st_size
    folder = published / "parquet"
    sizes["parquet"] = sum(file.stat().st_size for file in folder.rglob("*.parquet"))
    return {
        "generation_id": row["generation_id"],
        "built_at": row["built_at"].isoformat().replace("+00:00", "Z"),
        "as_of_on": row["as_of_on"].isoformat(),
        "inputs_hash": row["inputs_hash"],
        "rows": rows,
        "headline": headline,
        "figures": figures,
        "bytes": sizes,
        "versions": row["versions"],
    }


def _row_counts(connection: duckdb.DuckDBPyConnection, schema: str) -> dict[str, int]:
    rows = table_rows(connection, "published", schema)
    return {f"{schema}.{name}": n for name, n in rows.items() if name != GENERATION_TABLE}


def _headline(connection: duckdb.DuckDBPyConnection, workspace: Workspace) -> dict[str, Any] | None:
    """The headline figure over all time, one answer one voice; None without such a row."""
    names = ("metric", "survey_type", "responses", "nps", "ci_low", "ci_high")
    row = connection.execute(
        f"select {', '.join(names)} from marts.fct_nps_by_period "
        "where time_grain = 'all' and basis = 'responses' "
        f"and metric = {literal(workspace.headline.metric)} "
        f"and survey_type = {literal(workspace.headline.survey_type)}"
    ).fetchone()
    return None if row is None else dict(zip(names, row, strict=True))
