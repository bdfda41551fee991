"""Whether the folders of a workspace can be written to."""

from __future__ import annotations

import os
import tempfile

from orchestration.core.errors import UserError
from orchestration.core.files import reason_of
from orchestration.workspace.model import Workspace


def check_writable(workspace: Workspace) -> None:
    """Refuse, before anything is built, a workspace that could not be published into.

    Makes the folders that are missing. A mode alone says too little (read-only mounts, quotas,
    other users' folders), so a small file is really written to each.

    Raises:
        UserError: one line for each folder that can't be written to.
    """
    problems = []
    for folder in (workspace.lake, workspace.warehouse_dir, workspace.published, workspace.runs):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=folder, prefix=".tmp-") as probe:
                probe.write(b"x" * 4096)
                probe.flush()
                os.fsync(probe.fileno())
        except OSError as error:
            problems.append(
                f"{folder}: not writable ({reason_of(error)}); give this user the right to write "
                "there, or point NPS_WORKSPACE to another folder"
            )
    parquet = workspace.published / "parquet"
    if parquet.is_dir() and not parquet.is_symlink():
        problems.append(f"{parquet}: is a folder where a link belongs; move it away")
    if problems:
        raise UserError("\n".join(problems))
