"""The Parquet files of a generation: written from its own nps.duckdb, or linked if unchanged."""

from __future__ import annotations

import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from orchestration.core.errors import UserError
from orchestration.core.files import reason_of, seal, sync
from orchestration.core.sql import literal
from orchestration.publish.generation import MARTS, UNTOUCHED, connect, one_row, table_rows

if TYPE_CHECKING:
    from orchestration.workspace.model import Workspace


def write_parquet(
    workspace: Workspace,
    folder: Path,
    generation_id: str,
    previous: Path | None,
    unchanged: Collection[str],
) -> None:
    """Write `<folder>/parquet/<table>/<table>.parquet` for each table of `<folder>/nps.duckdb`.

    Every file names the generation that wrote it in its key-value metadata, and its rows are
    counted again. An unchanged table's file is a second link to that of the previous generation.

    Raises:
        UserError: a file holds another number of rows than its table.
    """
    target = folder / "parquet"
    target.mkdir()
    with connect(workspace) as connection:
        connection.execute(f"attach {literal(folder / MARTS.file_name)} as published (read_only)")
        for name, rows in table_rows(connection, "published", MARTS.schema).items():
            path = target / name / f"{name}.parquet"
            path.parent.mkdir()
            if previous is not None and name in unchanged:
                with suppress(OSError):  # no such file, or no links on this file system
                    os.link(previous / "parquet" / name / path.name, path)
            if not path.exists() or _rows(connection, path) != rows:
                path.unlink(missing_ok=True)
                _copy_to_parquet(connection, name, path, generation_id)
                found = _rows(connection, path)
                if found != rows:
                    raise UserError(
                        f"parquet/{name}: differs from the build ({rows} rows built, {found} rows "
                        f"read); not published; {UNTOUCHED}"
                    )
                seal(path, MARTS.mode)
            sync(path.parent)
    sync(target)


def _copy_to_parquet(
    connection: duckdb.DuckDBPyConnection, name: str, path: Path, generation_id: str
) -> None:
    metadata = "{" + f"generation_id: {literal(generation_id)}" + "}"
    # zstd at its lowest level takes two thirds of the time of the usual one, and 8 % more room;
    # building dictionaries of keys, which never repeat, would take a quarter more
    connection.execute(
        f'copy (from published.{MARTS.schema}."{name}") to {literal(path)} '
        f"(format parquet, compression zstd, compression_level 1, "
        f"dictionary_size_limit 1000, kv_metadata {metadata})"
    )


def _rows(connection: duckdb.DuckDBPyConnection, path: Path) -> int | str:
    """The rows of a Parquet file by its footer, or why it can't be read."""
    try:
        sql = f"select num_rows from parquet_file_metadata({literal(path)})"
        return int(one_row(connection.execute(sql))[0])
    except duckdb.Error as error:
        return reason_of(error)
