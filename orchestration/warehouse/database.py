"""The three DuckDB files of the build, opened together for reading.

dbt attaches them under the same names (profiles.yml): `nps` is the private database (raw, staging,
intermediate, seeds), `marts_file` and `restricted_file` hold what may be published.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from orchestration.core.duckdb_session import spill_settings
from orchestration.core.sql import literal
from orchestration.workspace.model import Workspace

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


@contextmanager
def open_build(workspace: Workspace) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the build read-only, within the memory limit; `<schema>.<table>` names any table.

    Raises:
        FileNotFoundError: a file of the build does not exist.
        duckdb.Error: a file can't be read, or another program has it open for writing.
    """
    with duckdb.connect() as connection:
        for statement in spill_settings(workspace.spill, workspace.memory_limit):
            connection.execute(statement)
        for statement in [*attach_build(workspace), SEARCH_PATH]:
            connection.execute(statement)
        yield connection
