"""The files of a new generation: stamped copies of the build's, their audit, and Parquet."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb

from orchestration.core import duckdb_session as session
from orchestration.core.errors import UserError
from orchestration.core.files import seal, sync
from orchestration.core.sql import literal, qualified
from orchestration.publish.generation import (
    GENERATION_TABLE,
    MARTS,
    PARTS,
    RESTRICTED,
    Part,
    read_trusted,
    write_generation,
)
from orchestration.quality.personal_data import refuse_personal_data
from orchestration.warehouse.build_record import state_of_build
from orchestration.warehouse.database import attach_build, connect, copy_database
from orchestration.workspace.model import Workspace

Rows = dict[str, int]  # of a file's tables, by their names


def copy_build(
    workspace: Workspace,
    folder: Path,
    stamp: Mapping[str, Any],
    tables: Collection[str] | None,
    changed: Mapping[str, str],
) -> tuple[dict[Part, Rows], set[str]]:
    """Copy both files into a folder, stamped; the build may not change meanwhile.

    Returns the rows of each file's tables, and the tables of marts that are as published before.
    """
    state, where = stamp["state"], workspace.warehouse_dir
    if not state["build"]:
        raise UserError(f"{where}: there is no finished build to publish; run `nps run`")
    with connect(workspace) as build:
        for statement in [*attach_build(workspace), "use nps"]:
            build.execute(statement)
        rows = {part: session.table_rows(build, part.database, part.schema) for part in PARTS}
        _check_tables(rows, tables)
        unchanged = _unchanged(workspace, build, state, rows[MARTS], changed)
    for part in PARTS:
        path = folder / part.file_name
        # A batch deletes rows, and only rewriting a file takes out who was deleted.
        rewrite = part is RESTRICTED and state["built_from"] is not None
        copy_database(workspace, part.database, path, rewrite=rewrite)
        with connect(workspace) as connection:
            connection.execute(f"attach {literal(path)} as copied")
            connection.execute(f"create schema if not exists copied.{part.schema}")
            write_generation(connection, f"copied.{part.schema}", stamp)
            connection.execute("checkpoint copied")
            connection.execute("detach copied")
        session.refuse_wal(path)
    if state_of_build(workspace) != state["build"]:
        raise UserError(f"{where}: the build was written to while it was published; run again")
    return rows, unchanged


def _check_tables(rows: Mapping[Part, Rows], tables: Collection[str] | None) -> None:
    """Refuse a build that lacks a table, or holds one that may not leave."""
    built = {f"{part.schema}.{name}" for part in PARTS for name in rows[part]}
    wanted = built if tables is None else set(tables)
    for name in [*sorted(wanted - built), *sorted(built - wanted)]:
        problem = "in the build but no model" if name in built else "a model but not in the build"
        raise UserError(f"{name}: is {problem}; run full-refresh to rebuild it")
    if not rows[MARTS]:
        raise UserError(f"the build holds no table of schema {MARTS.schema}")


def _unchanged(
    workspace: Workspace,
    build: duckdb.DuckDBPyConnection,
    state: Mapping[str, Any],
    rows: Rows,
    changed: Mapping[str, str],
) -> set[str]:
    """The tables of marts that provably hold the rows of the published generation.

    All of them, if it was published from this very build. Else those of a batch that went on from
    it which have no changed row, and as many rows as before: none was added, and every one that a
    batch removes meets the condition on changed rows.
    """
    before = read_trusted(workspace, MARTS)
    if before and before["state"].get("build") == state["build"]:
        return set(rows)
    if before is None or state["built_from"] != before["inputs_hash"]:
        return set()
    with session.open_published(workspace.published / MARTS.file_name) as published:
        before_rows = session.table_rows(published, "published", MARTS.schema)
    changed_rows = session.table_rows(build, MARTS.database, MARTS.schema, changed)
    return {n for n in rows if before_rows.get(n) == rows[n] and not changed_rows[n]}


def audit_file(
    workspace: Workspace, part: Part, path: Path, built: Rows, unchanged: Collection[str]
) -> None:
    """Open a closed file read-only and refuse it unless it holds the tables of the build.

    Marts are searched for personal data, but for the tables that are unchanged since they were.
    """
    with connect(workspace) as connection:
        connection.execute(f"attach {literal(path)} as published (read_only)")
        if path.stat().st_size < session.used_bytes(connection, "published"):
            raise UserError(f"{part.file_name}: is cut short")
        found = session.table_rows(connection, "published", part.schema)
        for name, _ in sorted({**built, GENERATION_TABLE: 1}.items() ^ found.items()):
            raise UserError(
                f"{part.file_name}: {part.schema}.{name} differs from the build "
                f"({built.get(name, 'no')} rows built, {found.get(name, 'no')} rows read)"
            )
        if part is MARTS:
            refuse_personal_data(connection, "published", part.schema, unchanged)


def write_parquet_files(
    workspace: Workspace, folder: Path, generation_id: str, unchanged: Collection[str]
) -> None:
    """Write `<folder>/parquet/<table>/<table>.parquet` for each table of `<folder>/nps.duckdb`.

    Every file names the generation that wrote it in its key-value metadata, and its rows are
    counted again. An unchanged table's file is a second link to the published one.
    """
    target = folder / "parquet"
    target.mkdir()
    with connect(workspace) as connection:
        connection.execute(f"attach {literal(folder / MARTS.file_name)} as published (read_only)")
        for name, rows in session.table_rows(connection, "published", MARTS.schema).items():
            path = target / name / f"{name}.parquet"
            path.parent.mkdir()
            if name in unchanged:
                with suppress(OSError):  # no such file, or no links on this file system
                    os.link(workspace.published / path.relative_to(folder), path)
            if session.parquet_rows(connection, path) != rows:
                path.unlink(missing_ok=True)
                table = qualified("published", MARTS.schema, name)
                session.write_parquet(connection, table, path, {"generation_id": generation_id})
                if (found := session.parquet_rows(connection, path)) != rows:
                    raise UserError(f"parquet/{name}: {rows} rows built, {found} rows read")
                seal(path, MARTS.mode)
            sync(path.parent)
    sync(target)
