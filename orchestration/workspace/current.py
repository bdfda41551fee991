"""Which workspace this process works on."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from orchestration.core.errors import UserError
from orchestration.workspace.load import load_workspace
from orchestration.workspace.model import FILE_NAME, Workspace

VARIABLE = "NPS_WORKSPACE"
PROJECT_DIR = Path(__file__).resolve().parents[2]
SAMPLE_WORKSPACE = PROJECT_DIR / "workspace"
SAMPLE_SETTINGS = PROJECT_DIR / "sample" / FILE_NAME


def current_workspace() -> Workspace:
    """The workspace that the environment variable NPS_WORKSPACE names.

    Without it, the one whose ``workspace.yml`` is in the current folder; else the sample's.

    Nothing is written: before the sample's workspace is generated, its settings are read from
    ``sample/workspace.yml``. The file is parsed once for each size and modification time, so that
    a process that lives for days, such as Dagster's, sees an edit at its next run.

    Raises:
        UserError: ``workspace.yml`` is missing or has mistakes, or the path cannot be used.
    """
    root = Path(os.environ.get(VARIABLE) or _here() or SAMPLE_WORKSPACE).expanduser().absolute()
    if set("*?[") & set(str(root)):
        # DuckDB and Dagster would take the path for a pattern, and find other files or none.
        raise UserError(
            f"{root}: the path of a workspace may not hold * ? or [; rename the folder, or point "
            f"{VARIABLE} to another"
        )
    file = root / FILE_NAME
    if is_sample_missing(root):
        file = SAMPLE_SETTINGS
    try:
        state = file.stat()
    except OSError:
        return load_workspace(root)  # raises the error that says what is wrong with it
    return _load(root, file, state.st_mtime_ns, state.st_size)


def _here() -> Path | None:
    """The current folder, if it is a workspace. The folder of the sample's settings is none."""
    here = Path.cwd()
    is_one = (here / FILE_NAME).is_file() and here.resolve() != SAMPLE_SETTINGS.parent
    return here if is_one else None


def is_sample_missing(root: Path) -> bool:
    """Whether the folder is the sample's own workspace and was not generated yet."""
    return root == SAMPLE_WORKSPACE and not (root / FILE_NAME).exists()


@lru_cache(maxsize=8)
def _load(root: Path, file: Path, mtime_ns: int, size: int) -> Workspace:
    """The workspace of a folder, cached by the state of its settings file."""
    return load_workspace(root, file)
