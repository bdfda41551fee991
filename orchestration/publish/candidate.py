"""A DuckDB file of the next generation: written as planned, closed, and read back."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from orchestration.core.errors import UserError
from orchestration.core.files import copy_file, reason_of, wal_file
from orchestration.core.sql import identifier, literal
from orchestration.publish.content import (
    GENERATION_TABLE,
    PersonalDataError,
    content_hash,
    one_row,
    qualified,
    read_content,
    refuse_personal_columns,
    table_columns,
    table_rows,
)
from orchestration.publish.generation import MARTS, UNTOUCHED, Part, write_generation
from orchestration.publish.plan import Candidate, Plan, Progress, publisher, tell

if TYPE_CHECKING:
    from orchestration.workspace.model import Workspace

# BI drivers carry older DuckDBs; a file of this version opens from DuckDB 1.4 on.
STORAGE_VERSION = "v1.4.0"
# A file with this share of holes, or grown so much since it was written whole, is written anew,
# unless it is so small that holes cost nobody anything.
MOST_HOLES = 1 / 3
MOST_GROWTH = 1.5
SMALL_FILE = 32_000_000


def make_candidate(
    connection: duckdb.DuckDBPyConnection,
    part: Part,
    path: Path,
    planned: Candidate,
    *,
    stamp: Mapping[str, Any],
    progress: Progress | None,
) -> Candidate:
    """Write a file of the next generation as planned; where the old one is no good for it, anew."""
    if planned.base is not None:
        try:
            write_candidate(connection, part, path, planned, stamp)
        except (_NoGoodError, duckdb.Error):
            planned = plan_anew(part, path, planned, stamp, progress)
    if planned.base is None:
        write_candidate(connection, part, path, planned, stamp)
    refuse_wal(path)
    return planned


class _NoGoodError(Exception):
    """The published file is no good to make the next one from."""


def plan_anew(
    part: Part,
    path: Path,
    planned: Candidate,
    stamp: Mapping[str, Any],
    progress: Progress | None,
) -> Candidate:
    """Clear a candidate away, and plan to copy every table from the build, Parquet included."""
    tell(progress, f"{part.file_name}: can't be made from the one before; copied anew")
    path.unlink(missing_ok=True)
    wal_file(path).unlink(missing_ok=True)
    return Candidate(
        {
            name: Plan(plan.content, "copy", stamp["generation_id"])
            for name, plan in planned.plans.items()
        },
        None,
    )


def write_candidate(
    connection: duckdb.DuckDBPyConnection,
    part: Part,
    path: Path,
    planned: Candidate,
    stamp: Mapping[str, Any],
) -> None:
    """Write tables and comments as planned, checkpoint and close the file."""
    schema = f"candidate.{identifier(part.schema)}"
    base = planned.base
    # Nobody else may read the restricted file, nor its log, while it is being written.
    old_umask = os.umask(0o077)
    try:
        if base:
            copy_file(base.path, path)
        option = "" if base else f" (storage_version '{STORAGE_VERSION}')"
        connection.execute(f"attach {literal(path)} as candidate{option}")
        try:
            connection.execute(f"create schema if not exists {schema}")
            for name, plan in planned.plans.items():
                table = qualified("candidate", part.schema, name)
                source = qualified("build", part.schema, name)
                if base is None or plan.how == "copy":
                    connection.execute(f"create or replace table {table} as from {source}")
                elif plan.how == "patch":
                    connection.execute(f"delete from {table} where ({plan.condition})")
                    connection.execute(
                        f"insert into {table} from {source} where ({plan.condition})"
                    )
            for statement in _comments(connection, part.schema, planned.plans):
                connection.execute(statement)
            write_generation(connection, schema, _generation_row(planned, stamp))
            connection.execute("checkpoint candidate")
            if base and _is_bloated(connection, base.size):
                raise _NoGoodError
        finally:
            with suppress(duckdb.Error):
                connection.execute("detach candidate")
    finally:
        os.umask(old_umask)


def _generation_row(planned: Candidate, stamp: Mapping[str, Any]) -> dict[str, Any]:
    """The stamp, with what each file has of its own."""
    contents = {name: plan.content for name, plan in planned.plans.items()}
    return {
        **stamp,
        "content_hash": content_hash(contents),
        "state": {
            "publisher": publisher(),
            "build": stamp["build"],
            "size": planned.base.size if planned.base else None,  # None: as it lies there
            "tables": {
                name: {
                    "rows": plan.content.rows,
                    "checksum": str(plan.content.checksum),  # beyond what JSON's readers take
                    "generation_id": plan.generation_id,
                }
                for name, plan in planned.plans.items()
            },
        },
    }


def _is_bloated(connection: duckdb.DuckDBPyConnection, whole_size: int) -> bool:
    """Whether the candidate holds more holes, or dead rows, than writing it anew is worth."""
    block, total, free = one_row(
        connection.execute(
            "select block_size, total_blocks, free_blocks from pragma_database_size() "
            "where database_name = 'candidate'"
        )
    )
    wasted = max(
        free * block - MOST_HOLES * total * block, total * block - MOST_GROWTH * whole_size
    )
    return wasted > 0 and total * block > SMALL_FILE


def _comments(
    connection: duckdb.DuckDBPyConnection, schema: str, names: Collection[str]
) -> list[str]:
    """Statements that carry the build's descriptions over; copying a table loses them."""
    wanted, present = (_described(connection, db, schema) for db in ("build", "candidate"))
    statements = []
    for table, column in sorted(wanted.keys() | present.keys(), key=str):
        comment = wanted.get((table, column))
        if table in names and comment != present.get((table, column)):
            kind, target = "table", qualified("candidate", schema, table)
            if column is not None:
                kind, target = "column", f"{target}.{identifier(column)}"
            statements.append(f"comment on {kind} {target} is {literal(comment)}")
    return statements


def _described(
    connection: duckdb.DuckDBPyConnection, database: str, schema: str
) -> dict[tuple[str, str | None], str]:
    """The comments of a schema, by table and column; the column of a table's own is None."""
    where = (
        f"where database_name = {literal(database)} and schema_name = {literal(schema)} "
        "and comment is not null"
    )
    rows = connection.execute(
        f"select table_name, null, comment from duckdb_tables() {where} "
        f"union all select table_name, column_name, comment from duckdb_columns() {where}"
    ).fetchall()
    return {(table, column): comment for table, column, comment in rows}


def audit_candidate(workspace: Workspace, part: Part, path: Path, made: Candidate) -> None:
    """Read a closed candidate from the disk and refuse what differs from the build.

    All of it is read but for what was kept of a file that was read so before, in a build that
    vouches for it; rows are counted in every table. `marts` are searched for personal data.
    """
    try:
        with connect(workspace) as connection:
            connection.execute(f"attach {literal(path)} as candidate (read_only)")
            if any(plan.condition for plan in made.plans.values()):
                connection.execute(
                    f"attach {literal(workspace.warehouse_file)} as build (read_only)"
                )
            _compare(connection, part, made)
    except PersonalDataError as error:
        raise PersonalDataError(f"{error}; not published; {UNTOUCHED}") from None
    except duckdb.Error as error:
        raise UserError(
            f"{part.file_name}: the candidate can't be read back ({reason_of(error)}), the disk "
            f"may be failing; not published; {UNTOUCHED}"
        ) from error


def _compare(connection: duckdb.DuckDBPyConnection, part: Part, made: Candidate) -> None:
    """Compare every table with what was planned; read as much of it as the plan asks for."""
    columns = table_columns(connection, "candidate", part.schema)
    stamped = columns.pop(GENERATION_TABLE)
    rows = table_rows(connection, "candidate", part.schema, columns)
    texts = refuse_personal_columns(connection, "candidate", part.schema) if part is MARTS else {}
    read_content(
        connection,
        qualified("candidate", part.schema, GENERATION_TABLE),
        sorted(stamped),
        searched=texts.get(GENERATION_TABLE, ()),
    )
    for name in sorted(made.plans.keys() | columns.keys()):
        plan = made.plans.get(name)
        same = plan is not None and plan.content.rows == rows.get(name)
        if plan and same and not (made.base and plan.how == "keep" and not plan.reread):
            patch = plan.patch if made.base else None
            found = read_content(
                connection,
                qualified("candidate", part.schema, name),
                sorted(columns[name]),
                condition=plan.condition if patch else None,
                searched=texts.get(name, ()),
            )
            same = found == (patch or plan.content)
        if not same:
            built = plan.content.rows if plan else "no"
            raise UserError(
                f"{part.file_name}: {part.schema}.{name} differs from the build ({built} rows "
                f"built, {rows.get(name, 'no')} rows read); not published; {UNTOUCHED}"
            )


def refuse_wal(path: Path) -> None:
    """Refuse a file with a write-ahead log beside it: alone it lacks rows or won't open."""
    wal = wal_file(path)
    if wal.exists():
        raise UserError(
            f"{wal}: a write-ahead log lies beside {path.name}, so some program has opened it for "
            f"writing; close that program, delete the .wal and run again; {UNTOUCHED}"
        )


def connect(workspace: Workspace) -> duckdb.DuckDBPyConnection:
    """An in-memory connection within the workspace's memory, spilling inside the workspace."""
    config = {"temp_directory": str(workspace.spill)}
    if workspace.memory_limit:
        config["memory_limit"] = str(workspace.memory_limit)
    return duckdb.connect(config=config)
