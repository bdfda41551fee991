"""Copies of the build's files, stamped with the generation that they are published as."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from orchestration.core.errors import UserError
from orchestration.core.files import copy_file, is_dated, reason_of, wal_file
from orchestration.core.sql import literal
from orchestration.publish.generation import (
    MARTS,
    PARTS,
    RESTRICTED,
    UNTOUCHED,
    Part,
    connect,
    one_row,
    open_published,
    qualified,
    read_generation,
    table_rows,
    write_generation,
)
from orchestration.warehouse.build_record import state_of_build
from orchestration.warehouse.database import attach_build, build_files

if TYPE_CHECKING:
    from orchestration.workspace.model import Workspace

# BI drivers carry older DuckDBs; a file of this version opens from DuckDB 1.4 on.
STORAGE_VERSION = "v1.4.0"
# A file with this share of holes is rewritten, unless it is so small that they cost nothing.
MOST_HOLES = 1 / 3
SMALL_FILE = 32_000_000


@dataclass(frozen=True)
class Built:
    """A file of the build: the rows of its tables, which of them are as published, its holes."""

    rows: dict[str, int]
    unchanged: frozenset[str]
    rewrite: bool


def copy_build(
    workspace: Workspace,
    folder: Path,
    stamp: Mapping[str, Any],
    *,
    tables: Collection[str] | None,
    changed: Mapping[str, str],
    built_from: str | None,
    wait_seconds: float,
) -> dict[Part, Built]:
    """Copy both files into a folder, stamped; the build may not change meanwhile."""
    built: dict[Part, Built] = {}
    with _attached_build(workspace, wait_seconds) as connection:
        for part in PARTS:
            rows = table_rows(connection, part.database, part.schema)
            _check_tables(part, rows, tables)
            unchanged = _unchanged(
                workspace,
                connection,
                part,
                rows,
                stamp=stamp,
                changed=changed,
                built_from=built_from,
            )
            # Deleting leaves bytes in a file: only rewriting it takes out who was deleted.
            left = part is RESTRICTED and built_from is not None and rows.keys() != unchanged
            rewrite = left or _has_holes(connection, part.database)
            built[part] = Built(rows, unchanged, rewrite)
            if rewrite:
                _rewrite(connection, part, folder / part.file_name)
    # Nobody else may read the restricted file, nor its log, while it is being written.
    old_umask = os.umask(0o077)
    try:
        for part in PARTS:
            path = folder / part.file_name
            if not built[part].rewrite:
                copy_file(build_files(workspace)[part.database], path)
            _stamp(workspace, part, path, stamp)
    finally:
        os.umask(old_umask)
    if state_of_build(workspace) != stamp["state"]["build"]:
        raise UserError(
            f"{workspace.warehouse_dir}: the build was written to while it was being published; "
            f"run again; {UNTOUCHED}"
        )
    return built


@contextmanager
def _attached_build(
    workspace: Workspace, wait_seconds: float
) -> Iterator[duckdb.DuckDBPyConnection]:
    """The build, opened read-only as soon as no other program has it open for writing."""
    deadline = time.monotonic() + wait_seconds
    while True:
        connection = connect(workspace)
        try:
            for statement in [*attach_build(workspace), "use nps"]:
                connection.execute(statement)
            break
        except duckdb.IOException as error:
            connection.close()
            if "lock" not in str(error).lower():
                raise UserError(
                    f"{workspace.warehouse_dir}: the build can't be read ({reason_of(error)}); "
                    f"run full-refresh to rebuild it; {UNTOUCHED}"
                ) from error
            if time.monotonic() >= deadline:
                raise UserError(
                    f"{workspace.warehouse_dir}: another program has had the build open for "
                    f"{wait_seconds:g} seconds ({reason_of(error)}); close it and run again; "
                    f"{UNTOUCHED}"
                ) from error
            time.sleep(min(0.2, wait_seconds))
    try:
        yield connection
    finally:
        connection.close()


def _check_tables(part: Part, rows: Collection[str], tables: Collection[str] | None) -> None:
    """Refuse a file of the build that lacks a table, or holds one that may not leave."""
    if tables is None:
        wanted = set(rows)
    else:
        wanted = {item.split(".", 1)[1] for item in tables if item.startswith(f"{part.schema}.")}
    for name in sorted(wanted - set(rows)):
        raise UserError(
            f"{part.schema}.{name}: is to be published but not in the build; run full-refresh; "
            f"{UNTOUCHED}"
        )
    for name in sorted(set(rows) - wanted):
        raise UserError(
            f"{part.schema}.{name}: is in the build but no model; run full-refresh to rebuild it; "
            f"{UNTOUCHED}"
        )
    if part is MARTS and not wanted:
        raise UserError(f"the build holds no table of schema {part.schema}; {UNTOUCHED}")


def _unchanged(
    workspace: Workspace,
    connection: duckdb.DuckDBPyConnection,
    part: Part,
    rows: Mapping[str, int],
    *,
    stamp: Mapping[str, Any],
    changed: Mapping[str, str],
    built_from: str | None,
) -> frozenset[str]:
    """The tables that provably hold the rows of the published generation.

    All of them, if it was published from this very build. Else those of a batch that went on from
    it whose condition holds for no row and which have as many rows as before: none was added, and
    every one that a batch removes meets the condition.
    """
    path = workspace.published / part.file_name
    try:
        before = read_generation(path, part.schema)
        with open_published(path) as old:
            old_rows = table_rows(old, "published", part.schema)
        if (
            before["state"].get("publisher") != stamp["state"]["publisher"]
            or before["versions"].get("duckdb") != duckdb.__version__
            or not is_dated(path, before["built_at"])
        ):
            return frozenset()
    except (duckdb.Error, OSError, ValueError):
        return frozenset()
    same = {name for name, count in rows.items() if old_rows.get(name) == count}
    if before["state"].get("build") == stamp["state"]["build"]:
        return frozenset(same)
    if built_from is None or built_from != before["inputs_hash"]:
        return frozenset()
    found = set()
    for name in same:
        if condition := changed.get(f"{part.schema}.{name}"):
            relation = qualified(part.database, part.schema, name)
            sql = f"select count(*) from {relation} where {condition}"
            (count,) = one_row(connection.execute(sql))
            found |= {name} if count == 0 else set()
    return frozenset(found)


def _has_holes(connection: duckdb.DuckDBPyConnection, database: str) -> bool:
    """Whether so much of a file is free that rewriting it pays."""
    block, total, free = one_row(
        connection.execute(
            "select block_size, total_blocks, free_blocks from pragma_database_size() "
            f"where database_name = {literal(database)}"
        )
    )
    return free > MOST_HOLES * total and total * block > SMALL_FILE


def _rewrite(connection: duckdb.DuckDBPyConnection, part: Part, path: Path) -> None:
    """Write a file of the build anew, without what was deleted from it."""
    old_umask = os.umask(0o077)
    try:
        connection.execute(
            f"attach {literal(path)} as rewritten (storage_version '{STORAGE_VERSION}')"
        )
        connection.execute(f"copy from database {part.database} to rewritten")
        connection.execute("checkpoint rewritten")
        connection.execute("detach rewritten")
    finally:
        os.umask(old_umask)


def _stamp(workspace: Workspace, part: Part, path: Path, stamp: Mapping[str, Any]) -> None:
    """Write `_generation` into a copy, checkpoint and close it."""
    with connect(workspace) as connection:
        connection.execute(f"attach {literal(path)} as copied")
        connection.execute(f"create schema if not exists copied.{part.schema}")
        write_generation(connection, f"copied.{part.schema}", stamp)
        connection.execute("checkpoint copied")
        connection.execute("detach copied")
    refuse_wal(path)


def refuse_wal(path: Path) -> None:
    """Refuse a file with a write-ahead log beside it: alone it lacks rows or won't open."""
    wal = wal_file(path)
    if wal.exists():
        raise UserError(
            f"{wal}: a write-ahead log lies beside {path.name}, so some program has opened it for "
            f"writing; close that program, delete the .wal and run again; {UNTOUCHED}"
        )
