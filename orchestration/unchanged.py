"""Whether anything changed since the last run that finished, decided before anything is imported.

A run that published leaves `warehouse/finished.json`: what it read (landing, settings, code,
versions, the business day), what it left (lake, build, published files) and its summary. If all of
it is as it was, another run would publish the same tables, and is not started. Whatever is
uncertain counts as a change.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.warehouse.inputs import SOURCES_OF_DBT, VERSIONS_OF
from orchestration.workspace.current import PROJECT_DIR

if TYPE_CHECKING:
    from orchestration.workspace.model import Workspace

CODE = (*SOURCES_OF_DBT, "expectations", "orchestration")
PACKAGES = (*VERSIONS_OF, "pyarrow")
# Paragraphs of the last summary that are true of that run alone.
_OF_THE_RUN = ("NPS warehouse:", "This run", "Checks", "Published", "Sent", "Time")


def state_before_run(workspace: Workspace) -> dict[str, str]:
    """What a run reads, as hashes by name: take it before the run reads anything."""
    lists = {workspace.root / name for source in workspace.sources for name in source.listed_files}
    return {
        "landing": _hash(_files([workspace.landing])),
        "settings": hashlib.sha256((workspace.root / "workspace.yml").read_bytes()).hexdigest(),
        "lists": _hash(_files(lists)),
        "code": _hash(_files(PROJECT_DIR / name for name in CODE)),
        "versions": repr([sys.version, *((name, version(name)) for name in PACKAGES)]),
        "as_of_on": workspace.as_of_on.isoformat(),
    }


def _state_after_run(workspace: Workspace) -> dict[str, str]:
    """What a run leaves, as hashes by name."""
    built = [*workspace.warehouse_dir.glob("*.duckdb*"), workspace.warehouse_dir / "gated.json"]
    lake = (workspace.manifest_dir, workspace.raw, workspace.rejected, workspace.settings_dir)
    return {
        "lake": _hash(_files(lake)),
        "build": _hash(_files(built)),
        "published": _hash(_files([workspace.published])),
    }


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    """The files and links below some folders, and files by themselves, sorted."""
    for path in sorted(paths):
        if not path.is_dir():
            yield path
        for folder, folders, names in os.walk(path):
            folders[:] = sorted(name for name in folders if name != "__pycache__")
            links = [name for name in folders if (Path(folder) / name).is_symlink()]
            yield from (Path(folder) / name for name in sorted([*names, *links]))


def _hash(files: Iterable[Path]) -> str:
    """SHA-256 of the files' paths, sizes and times of change, and of where links lead."""
    digest = hashlib.sha256()
    for path in files:
        try:
            status = path.stat()
            link = os.readlink(path) if path.is_symlink() else ""
            state = f"{status.st_size}\0{status.st_mtime_ns}\0{link}"
        except OSError as error:  # gone meanwhile, or a link that leads nowhere
            state = type(error).__name__
        digest.update(f"{path}\0{state}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def record_finished_run(
    workspace: Workspace, before: dict[str, str], delivered: str | None, summary: str
) -> None:
    """Record a run that succeeded and published.

    Args:
        workspace: its workspace.
        before: `state_before_run`, taken before the run.
        delivered: `landing_fingerprint`, taken before the run.
        summary: the summary that the run printed.
    """
    from orchestration.report.queries import published_generation

    current = published_generation(workspace)
    if current is None or _has_unread_files(workspace):
        return
    document = {
        "state": {**before, **_state_after_run(workspace)},
        "delivered": delivered,
        "generation_id": current["generation_id"],
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "summary": summary,
    }
    _record(workspace).write_text(json.dumps(document), encoding="utf-8")


def forget_finished_run(workspace: Workspace) -> None:
    """Remove the record: a run begins."""
    _record(workspace).unlink(missing_ok=True)


def finished_from(workspace: Workspace) -> str | None:
    """The fingerprint of the delivered files that the last finished run read; None without one."""
    known = _read(workspace)
    return known.get("delivered") if known else None


def unchanged_report(workspace: Workspace) -> str | None:
    """What to print in place of a run, if nothing changed since the last one; else None."""
    known = _read(workspace)
    if known is None:
        return None
    try:
        if known["state"] != {**state_before_run(workspace), **_state_after_run(workspace)}:
            return None
        header = (
            f"nothing changed; generation {known['generation_id']} of "
            f"{workspace.as_of_on.isoformat()} stands (unchanged since {known['finished_at']})"
        )
        return "\n".join([header, *_lasting_paragraphs(known["summary"])])
    except (OSError, KeyError, TypeError):
        return None


def _lasting_paragraphs(summary: str) -> list[str]:
    """A summary's paragraphs that are not about its run."""
    paragraphs = re.split(r"\n(?=\S)", summary)
    return [text for text in paragraphs if not text.startswith((*_OF_THE_RUN, "="))]


def _read(workspace: Workspace) -> dict[str, Any] | None:
    try:
        known = json.loads(_record(workspace).read_text(encoding="utf-8"))
        return known if isinstance(known["state"], dict) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _record(workspace: Workspace) -> Path:
    return workspace.warehouse_dir / "finished.json"


def _has_unread_files(workspace: Workspace) -> bool:
    """Whether a delivered file was not read, such as one that was still being written."""
    import duckdb

    from orchestration.core.sql import literal

    table = literal(workspace.manifest_dir / "files.parquet")
    (unread,) = duckdb.sql(
        f"select count(*) from {table} where file_sha256 like 'unread:%'"
    ).fetchone() or (1,)
    return bool(unread)
