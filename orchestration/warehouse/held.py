"""Whether another program holds a file that the run is going to write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestration.core.errors import UserError

if TYPE_CHECKING:
    from orchestration.workspace.model import Workspace


def check_build_files(workspace: Workspace) -> None:
    """Check that no other program has a file of the build open; before anything is ingested.

    Raises:
        UserError: one line for each file, with the process that holds it where it is known.
    """
    import duckdb

    from orchestration.core.duckdb_session import known_cause

    problems = []
    for path in sorted(workspace.warehouse_dir.glob("*.duckdb")):
        try:
            duckdb.connect(str(path), read_only=False).close()
        except duckdb.IOException as error:
            problems.append(known_cause(str(error)) or f"{path}: cannot be opened for writing")
    if problems:
        raise UserError("\n".join(problems))
