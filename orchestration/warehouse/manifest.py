"""dbt's manifest for the definitions: read without writing into the workspace or the repository."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from functools import lru_cache
from pathlib import Path

from orchestration.core.errors import UserError
from orchestration.warehouse.dbt import is_fresh, target_dir
from orchestration.workspace.current import PROJECT_DIR
from orchestration.workspace.model import Workspace


def read_manifest(workspace: Workspace) -> Path:
    """The manifest of the dbt project, for code that needs to know the models before any run.

    Commands parse the project into the workspace first (``prepare_manifest``). Where that has not
    happened, the project is parsed into a temporary folder, once a process.

    Returns:
        The path of manifest.json.

    Raises:
        UserError: the project does not parse; dbt's message names file and line.
    """
    manifest = target_dir(workspace) / "manifest.json"
    return manifest if is_fresh(manifest) else _parsed(workspace.root)


@lru_cache(maxsize=1)
def _parsed(root: Path) -> Path:
    """The manifest of the project, parsed for a workspace without writing into it."""
    from dbt.cli.main import dbtRunner

    os.environ["NPS_WORKSPACE"] = str(root)
    os.environ["DBT_SEND_ANONYMOUS_USAGE_STATS"] = "false"
    folder = tempfile.mkdtemp(prefix="nps-dbt-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    command = [
        *("parse", "--no-partial-parse", "--log-level", "none", "--log-level-file", "none"),
        *("--project-dir", str(PROJECT_DIR), "--profiles-dir", str(PROJECT_DIR)),
        *("--target-path", folder, "--log-path", folder),
    ]
    result = dbtRunner().invoke(command)
    if result.exception is not None:
        raise UserError(f"dbt parse: {' '.join(str(result.exception).split())}")
    return Path(folder, "manifest.json")
