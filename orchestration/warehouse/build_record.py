"""The records of the last build: what it was built from, and that it passed the gate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from orchestration.core.errors import UserError
from orchestration.core.files import wal_file
from orchestration.warehouse.database import build_files
from orchestration.warehouse.dbt import changed_rows, release_dbt
from orchestration.workspace.model import Workspace


def read_record(workspace: Workspace) -> dict[str, Any]:
    """The record of the last successful build; empty: there is none."""
    try:
        record = json.loads(record_file(workspace).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) and "lasting" in record else {}


def inputs_of_build(workspace: Workspace) -> str | None:
    """The inputs_hash of the last build; None: it did not finish."""
    return read_record(workspace).get("inputs")


def built_from(workspace: Workspace) -> str | None:
    """The inputs_hash of the build that the last batch was added to; None: it was a full build."""
    return read_record(workspace).get("from")


def rows_changed_by_batch(workspace: Workspace, manifest: Path) -> dict[str, str]:
    """The condition on the rows that the last batch replaced, by `<schema>.<table>`.

    Args:
        workspace: whose last build was a batch.
        manifest: dbt's manifest.json.

    Returns:
        What ``changed_rows`` says, and of each table that the batch left as it was: false.
    """
    kept = read_record(workspace).get("kept", [])
    return changed_rows(manifest) | dict.fromkeys(kept, "false")


def record_file(workspace: Workspace) -> Path:
    """Where the last build that succeeded is recorded."""
    return workspace.warehouse_dir / "built.json"


def state_of_build(workspace: Workspace) -> list[list[int]]:
    """Size and time of the build's files: any write changes them.

    Empty: a file is missing, or its last writer did not close it and may have died half done. Files
    of two builds side by side, which a killed build leaves, are another state.
    """
    release_dbt()
    paths = build_files(workspace).values()
    if any(wal_file(path).exists() for path in paths):
        return []
    try:
        found = [path.stat() for path in paths]
    except FileNotFoundError:
        return []
    return [[status.st_size, status.st_mtime_ns] for status in found]


def mark_gated(workspace: Workspace) -> None:
    """Record that the current build passed every critical check."""
    _gate_file(workspace).write_text(json.dumps(state_of_build(workspace)), encoding="utf-8")


def unmark_gated(workspace: Workspace) -> None:
    """Record that a critical check failed for the build: it must not be published."""
    _gate_file(workspace).unlink(missing_ok=True)


def check_gated(workspace: Workspace) -> None:
    """Refuse a build that did not pass the whole gate since it was built.

    Blocking checks block within one run alone; publishing may be started by itself.

    Raises:
        UserError: the build is unfinished, was changed, or a critical check failed.
    """
    try:
        gated = json.loads(_gate_file(workspace).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        gated = None
    if not gated or gated != state_of_build(workspace):
        raise UserError(
            f"{workspace.warehouse_file}: this build has not passed the checks; `nps run` "
            "builds, checks and publishes in one run"
        )


def _gate_file(workspace: Workspace) -> Path:
    return workspace.warehouse_dir / "gated.json"
