"""Files on the disk: the hidden names of a publication, copies, renames and why they failed."""

from __future__ import annotations

import errno
import os
import shutil
from datetime import datetime
from pathlib import Path

import duckdb

DISK_FULL = "the disk is full"
# Errors that speak of files and memory; the others may quote a value, and are named only.
_SPEAKABLE = (duckdb.IOException, duckdb.OutOfMemoryException, duckdb.FatalException)


def reason_of(error: Exception) -> str:
    """Why, in a few words without any cell's text."""
    if isinstance(error, OSError):
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return DISK_FULL
        where = f": {error.filename}" if error.filename else ""
        return f"{error.strerror or type(error).__name__}{where}"
    text = str(error)
    if "No space left on device" in text or "Disk quota exceeded" in text:
        return DISK_FULL
    if isinstance(error, _SPEAKABLE):
        return text.strip().splitlines()[0] if text.strip() else type(error).__name__
    return type(error).__name__


def candidate_file(published: Path, file_name: str) -> Path:
    """Where a file of the next generation is made."""
    return published / f".{file_name}.tmp"


def previous_file(published: Path, file_name: str) -> Path:
    """A second link to a file of the generation before, while another is renamed over it."""
    return published / f".{file_name}.previous"


def wal_file(path: Path) -> Path:
    """DuckDB's write-ahead log of a file."""
    return path.with_name(f"{path.name}.wal")


def remove(path: Path) -> None:
    """Remove a file, or a folder with all that lies in it; neither need be there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def copy_file(source: Path, target: Path) -> None:
    """Copy bytes within the kernel; a file system that can shares them until one side changes.

    Raises:
        OSError: the target exists, or what the system says.
    """
    with source.open("rb") as reader, target.open("xb") as writer:
        left = os.fstat(reader.fileno()).st_size
        try:
            while left > 0:
                copied = os.copy_file_range(reader.fileno(), writer.fileno(), left)
                if not copied:
                    break
                left -= copied
        except (AttributeError, OSError) as error:
            # systems without the call, or that refuse it between two kinds of file systems
            if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            reader.seek(0)
            writer.seek(0)
            writer.truncate()
            shutil.copyfileobj(reader, writer, 1 << 20)


def date_file(path: Path, at: datetime) -> None:
    """Give a finished file the time of its generation: whoever writes to it later changes that."""
    nanoseconds = _nanoseconds(at)
    os.utime(path, ns=(nanoseconds, nanoseconds))


def is_dated(path: Path, at: datetime) -> bool:
    """Whether nobody has written to the file since `date_file`."""
    return path.stat().st_mtime_ns == _nanoseconds(at)


def _nanoseconds(at: datetime) -> int:
    # a float of seconds would lose the last digits
    return int(at.timestamp()) * 1_000_000_000 + at.microsecond * 1000


def sync(path: Path) -> None:
    """Have a file's content, or a folder's names, on the disk: a rename is not safe before that."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def seal(path: Path, mode: int) -> None:
    """Give a finished file its mode and have it on the disk; root ignores modes, others don't."""
    path.chmod(mode)
    sync(path)


def replace(source: Path, target: Path) -> None:
    """Rename over the target, atomically (one name, so that tests can cut in here)."""
    os.replace(source, target)
