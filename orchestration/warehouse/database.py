"""The three DuckDB files of the build, opened together for reading.

dbt attaches them under the same names (profiles.yml): `nps` is the private database (raw, staging,
intermediate, seeds), `marts_file` and `restricted_file` hold what may be published.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from orchestration.core.duckdb_session import spill_settings, used_bytes
from orchestration.core.files import copy_file
from orchestration.core.sql import literal
from orchestration.workspace.model import Workspace

# BI drivers carry older DuckDBs; a file of this version (as in profiles.yml) opens from 1.4 on.
STORAGE_VERSION = "v1.4.0"
# A file with this share of holes is rewritten, unless it is so small that they cost nothing.
MOST_HOLES = 1 / 3
SMALL_FILE = 32_000_000
# Lets `<schema>.<table>` name any table of the attached files.
SEARCH_PATH = "set search_path = 'nps.main,marts_file.marts,restricted_file.restricted'"


def build_files(workspace: Workspace) -> dict[str, Path]:
    """The files of the build by the names under which they are attached."""
    return {
        "nps": workspace.warehouse_file,
        "marts_file": workspace.marts_file,
        "restricted_file": workspace.restricted_file,
    }


def attach_build(workspace: Workspace) -> list[str]:
    """Statements that attach the build's files read-only.

    Raises:
        FileNotFoundError: a file of the build does not exist.
    """
    files = build_files(workspace)
    for path in files.values():
        if not path.is_file():
            raise FileNotFoundError(path)
    return [f"attach {literal(path)} as {name} (read_only)" for name, path in files.items()]


def connect(workspace: Workspace) -> duckdb.DuckDBPyConnection:
    """An in-memory connection within the memory limit, spilling inside the workspace."""
    connection = duckdb.connect()
    for statement in spill_settings(workspace.spill, workspace.memory_limit):
        connection.execute(statement)
    return connection


@contextmanager
def open_build(workspace: Workspace) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the build read-only, within the memory limit; `<schema>.<table>` names any table.

    Raises:
        FileNotFoundError: a file of the build does not exist.
        duckdb.Error: a file can't be read, or another program has it open for writing.
    """
    with connect(workspace) as connection:
        for statement in [*attach_build(workspace), SEARCH_PATH]:
            connection.execute(statement)
        yield connection


def copy_database(
    workspace: Workspace, database: str, target: Path, *, rewrite: bool = False
) -> None:
    """Copy a file of the build within the kernel, or rewrite it if it has too many holes.

    Args:
        workspace: whose build it is.
        database: one of the names of `build_files`.
        target: a file that does not exist.
        rewrite: rewrite it in any case: deleting leaves the bytes of deleted rows in a file.
    """
    source = build_files(workspace)[database]
    with open_build(workspace) as connection:
        size = source.stat().st_size
        holes = size - used_bytes(connection, database)
        if rewrite or (size > SMALL_FILE and holes > MOST_HOLES * size):
            connection.execute(
                f"attach {literal(target)} as rewritten (storage_version '{STORAGE_VERSION}')"
            )
            connection.execute(f"copy from database {database} to rewritten")
            connection.execute("checkpoint rewritten")
            connection.execute("detach rewritten")
            return
    copy_file(source, target)
