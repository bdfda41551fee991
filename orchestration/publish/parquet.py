"""The Parquet files of a generation: written from the audited candidate, or linked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from orchestration.core.errors import UserError
from orchestration.core.files import candidate_file, reason_of, seal, sync
from orchestration.core.sql import literal
from orchestration.publish.candidate import connect
from orchestration.publish.content import GENERATION_TABLE, one_row, qualified, read_content
from orchestration.publish.generation import MARTS, UNTOUCHED
from orchestration.publish.plan import Plan

if TYPE_CHECKING:
    from orchestration.workspace.model import Workspace

# Below this number of rows a file that was written is read back whole.
SMALL_TABLE = 100_000


def write_parquet(
    workspace: Workspace, folder: Path, plans: Mapping[str, Plan], stamp: Mapping[str, Any]
) -> None:
    """Make the audited candidate's tables as `<folder>/<table>/<table>.parquet`; read them back.

    Every file names the generation that wrote it in its key-value metadata. The file of a table
    that was kept is a second link to the one of the generation before.
    """
    published = workspace.published
    link = published / "parquet"
    before = published / os.readlink(link) if link.is_symlink() else None
    folder.mkdir()
    with connect(workspace) as connection:
        candidate = candidate_file(published, MARTS.file_name)
        connection.execute(f"attach {literal(candidate)} as candidate (read_only)")
        for name in [*plans, GENERATION_TABLE]:
            plan = plans.get(name)
            path = folder / name / f"{name}.parquet"
            path.parent.mkdir()
            if plan is None or not (before and _linked(connection, before, path, plan)):
                _copy_to_parquet(connection, name, path, stamp["generation_id"])
                problem = plan and _difference(connection, path, plan, trusted=False)
                if problem:
                    raise UserError(
                        f"parquet/{name}: differs from the build ({problem}); not published; "
                        f"{UNTOUCHED}"
                    )
                seal(path, MARTS.mode)
            sync(path.parent)
    sync(folder)


def _linked(connection: duckdb.DuckDBPyConnection, before: Path, path: Path, plan: Plan) -> bool:
    """Link a kept table's file of the generation before; False where that can't be done."""
    if plan.how != "keep":
        return False
    try:
        os.link(before / path.parent.name / path.name, path)
    except OSError:  # no such file, or no links on this file system
        return False
    if _difference(connection, path, plan, trusted=not plan.reread):
        path.unlink()
        return False
    return True


def _copy_to_parquet(
    connection: duckdb.DuckDBPyConnection, name: str, path: Path, generation_id: str
) -> None:
    metadata = "{" + f"generation_id: {literal(generation_id)}" + "}"
    # zstd at its lowest level takes two thirds of the time of the usual one, and 8 % more room; to
    # build dictionaries of keys, which never repeat, would take a quarter more
    connection.execute(
        f"copy (from {qualified('candidate', MARTS.schema, name)}) to {literal(path)} "
        f"(format parquet, compression zstd, compression_level 1, "
        f"dictionary_size_limit 1000, kv_metadata {metadata})"
    )


def _difference(
    connection: duckdb.DuckDBPyConnection, path: Path, plan: Plan, *, trusted: bool
) -> str | None:
    """How a Parquet file differs from its table; None when it does not.

    Rows are counted in every file. What may go wrong beyond that is a type that Parquet lacks,
    and it shows in the types: rows are read again where types differ and where they are few; all
    are in a full build, which mends what went bad; none of a file that was read before.
    """
    relation = f"read_parquet({literal(path)})"
    content = plan.content
    try:
        counted = f"select num_rows from parquet_file_metadata({literal(path)})"
        (rows,) = one_row(connection.execute(counted))
        if rows != content.rows:
            return f"{content.rows} rows built, {rows} rows read"
        described = connection.execute(f"describe from {relation}").fetchall()
        lossless = sorted((name, kind) for name, kind, *_ in described) == list(content.columns)
        few = rows < SMALL_TABLE
        doubted = not trusted and (few or not lossless or plan.reread)
        if doubted and read_content(connection, relation, content.columns) != content:
            return f"{rows} rows, but others"
    except duckdb.Error as error:
        return reason_of(error)
    return None
