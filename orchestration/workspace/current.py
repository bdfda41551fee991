"""Which workspace this process works on."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from orchestration.core.errors import UserError
from orchestration.workspace.model import FILE_NAME, Workspace, load_workspace

VARIABLE = "NPS_WORKSPACE"
PROJECT_DIR = Path(__file__).resolve().parents[2]
SAMPLE_WORKSPACE = PROJECT_DIR / "workspace"


def current_workspace() -> Workspace:
    """The workspace that the environment variable NPS_WORKSPACE names; without it, the sample's.

    The sample's is made where it is missing; a folder of the user's never is. It is read once for
    each state of its ``workspace.yml``: a process that lives for days, such as Dagster's, sees an
    edit at its next run.

    Raises:
        UserError: ``workspace.yml`` is missing or has mistakes, or the path cannot be used.
    """
    root = Path(os.environ.get(VARIABLE) or SAMPLE_WORKSPACE).expanduser().absolute()
    if set("*?[") & set(str(root)):
        # DuckDB and Dagster would take the path for a pattern, and find other files or none.
        raise UserError(
            f"{root}: the path of a workspace may not hold * ? or [; rename the folder, or point "
            f"{VARIABLE} to another"
        )
    if root == SAMPLE_WORKSPACE and not (root / FILE_NAME).exists():
        from sample.generate import generate

        generate(root)
    try:
        state = (root / FILE_NAME).stat()
    except OSError:
        return load_workspace(root)  # says what is wrong with it
    return _load(root, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=8)
def _load(root: Path, mtime_ns: int, size: int) -> Workspace:
    """The workspace of a folder, by the state of its ``workspace.yml``."""
    return load_workspace(root)
