"""The delivered files in landing: which are declared, which may be read, whether they changed."""

from __future__ import annotations

import hashlib
import os
import stat as stat_module
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from orchestration.core.errors import UserError
from orchestration.lake.faults import FileFault
from orchestration.lake.manifest import Stat
from orchestration.lake.names import HIDDEN, UNFINISHED, printable
from orchestration.workspace.model import Source, Workspace


def unclaimed_files(workspace: Workspace) -> list[str]:
    """Files in landing that match no source's glob, as paths below landing."""
    claimed = {
        path
        for source in workspace.sources
        for path in (
            *landing_files(workspace, source),
            # what a Parquet folder says of itself
            *(
                path
                for folder in (workspace.landing / source.name).glob(source.files)
                if source.format.type == "parquet" and folder.is_dir()
                for path in folder.rglob("*")
                if any(part.startswith("_") for part in path.relative_to(folder).parts)
            ),
        )
    }
    return [
        printable(path.relative_to(workspace.landing).as_posix())
        for path in sorted(workspace.landing.rglob("*"))
        if path.is_file() and path not in claimed and not _is_ignored(path, workspace.landing)
    ]


def check_anything_delivered(workspace: Workspace) -> None:
    """Refuse to publish a workspace into which nothing was ever delivered.

    Raises:
        UserError: no source finds a file, and the lake knows of none; a line for each place that
            was looked at, and for each folder that lies beside them.
    """
    manifest = workspace.manifest_file
    if manifest.exists() and manifest.stat().st_size:
        return
    if any(landing_files(workspace, source) for source in workspace.sources):
        return
    lines = ["landing: no source finds a file there, so nothing is published"]
    for source in workspace.sources:
        folder = workspace.landing / source.name
        what = f"holds no file that matches {source.files!r}" if folder.is_dir() else "is missing"
        lines.append(f"landing/{source.name}/: {what} ({source.label}); put the files there")
    names = sorted({source.name for source in workspace.sources})
    strays: dict[str, list[str]] = {}
    for name in unclaimed_files(workspace):
        folder_name, _, rest = name.partition("/")
        strays.setdefault(f"{folder_name}/" if rest else "", []).append(name)
    for folder_name, found in sorted(strays.items()):
        files = f"{found[0]}{f' and {len(found) - 1:,} more' if len(found) > 1 else ''}"
        is_source = folder_name[:-1] in names
        fix = (
            "correct the name or files: in workspace.yml"
            if is_source
            else f"no source has this folder; move them to landing/{names[0]}/"
            if len(names) == 1
            else f"no source has this folder; the sources are {', '.join(names)}"
        )
        lines.append(f"landing/{folder_name}: {files}: {fix}")
    raise UserError("\n".join(lines))


def landing_fingerprint(workspace: Workspace) -> str | None:
    """A hash of the names, sizes and times of the files in landing that sources declare.

    No file is opened. A new, changed, renamed or removed file gives another fingerprint.

    Returns:
        SHA-256 in hex; None if there is no such file.
    """
    lines = []
    for source in workspace.sources:
        base = workspace.landing / source.name
        for path in landing_files(workspace, source):
            with suppress(OSError):  # it vanished, or is a link that leads nowhere
                status = path.stat()
                name = path.relative_to(base).as_posix()
                lines.append(f"{source.label}\0{name}\0{status.st_size}\0{status.st_mtime_ns}\n")
    if not lines:
        return None
    content = "".join(lines).encode("utf-8", "surrogateescape")
    return hashlib.sha256(content).hexdigest()


def _is_ignored(path: Path, base: Path) -> bool:
    parts = path.relative_to(base).parts
    return path.name.lower().endswith(UNFINISHED) or any(p.startswith(HIDDEN) for p in parts)


def landing_files(workspace: Workspace, source: Source) -> list[Path]:
    """The files in landing that match a source's glob, sorted; unfinished ones are skipped.

    Where Parquet is declared, a folder that matches stands for the data files in it.
    """
    base = workspace.landing / source.name
    found: set[Path] = set()
    for path in base.glob(source.files):
        if path.is_symlink() or not path.is_dir():
            found.add(path)
        elif source.format.type == "parquet":
            found.update(_data_files(path))
    return sorted(path for path in found if not _is_ignored(path, base))


def _data_files(folder: Path) -> Iterator[Path]:
    """The files of a Parquet folder without those that say something of it, as ``_SUCCESS``."""
    for path in folder.rglob("*"):
        is_note = any(part.startswith("_") for part in path.relative_to(folder).parts)
        if not is_note and (path.is_symlink() or not path.is_dir()):
            yield path


def inspect_file(workspace: Workspace, source: Source, path: Path) -> tuple[Path, Stat]:
    """The real path of a landing file, and its status.

    Raises:
        FileFault: when it is not to be opened.
    """
    try:
        real = path.resolve(strict=True)
        status = real.stat()
    except (OSError, RuntimeError):  # a loop of links is the one or the other, by version
        if path.is_symlink():
            message = "a link that leads nowhere; put the file itself there"
            raise FileFault("outside_landing", message) from None
        raise FileFault("still_being_written", "the file vanished while it was read") from None
    if not real.is_relative_to(workspace.landing.resolve()):
        raise FileFault("outside_landing", "a link out of landing; put the file itself there")
    if not stat_module.S_ISREG(status.st_mode):
        raise FileFault("outside_landing", "not a regular file; put a file there")
    limit = source.format.max_file_mb
    if status.st_size > limit << 20:
        size = f"{status.st_size >> 20:,} MiB, more than format.max_file_mb {limit:,}"
        raise FileFault(
            "oversized_file", f"the file has {size}; raise the limit, or split the file"
        )
    if not os.access(real, os.R_OK):
        raise FileFault("still_being_written", "the file cannot be read (yet); fix its permissions")
    return real, Stat.of(status)


@contextmanager
def report_vanished(path: Path) -> Iterator[None]:
    """Report a file that disappears inside the block as one that is still being written."""
    try:
        yield
    except FileNotFoundError:
        if path.exists():
            raise
        raise FileFault("still_being_written", "the file vanished while it was read") from None


def check_unchanged(path: Path, status: Stat) -> None:
    """Check that a file is as it was when its status was taken.

    Raises:
        FileFault: when it changed or is gone.
    """
    with report_vanished(path):
        same = Stat.of(path.stat()) == status
    if not same:
        raise FileFault(
            "still_being_written", "the file changed while it was read; the next run reads it"
        )
