"""Files: hidden names of a publication, copies, renames, fsync, and reasons of failures."""

from __future__ import annotations

import errno
import os
import shutil
from datetime import datetime
from pathlib import Path

DISK_FULL = "the disk is full"
# Errors about files and memory; others may quote a value, so that only their class is named.
_SPEAKABLE = {"IOException", "OutOfMemoryException", "FatalException"}


def reason_of(error: Exception) -> str:
    """The reason of an error in a few words, without the text of any cell."""
    if isinstance(error, OSError):
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return DISK_FULL
        where = f": {error.filename}" if error.filename else ""
        return f"{error.strerror or type(error).__name__}{where}"
    text = str(error)
    if "No space left on device" in text or "Disk quota exceeded" in text:
        return DISK_FULL
    if type(error).__name__ in _SPEAKABLE:
        return text.strip().splitlines()[0] if text.strip() else type(error).__name__
    return type(error).__name__


def candidate_file(published: Path, file_name: str) -> Path:
    """The temporary name of a file of the next generation."""
    return published / f".{file_name}.tmp"


def previous_file(published: Path, file_name: str) -> Path:
    """A second link to a file of the previous generation, while another is renamed over it."""
    return published / f".{file_name}.previous"


def wal_file(path: Path) -> Path:
    """DuckDB's write-ahead log of a file."""
    return path.with_name(f"{path.name}.wal")


def remove(path: Path) -> None:
    """Remove a file, or a folder with its content, if it exists."""
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
    """Set the time of a finished file to that of its generation; a later write changes it."""
    nanoseconds = _nanoseconds(at)
    os.utime(path, ns=(nanoseconds, nanoseconds))


def is_dated(path: Path, at: datetime) -> bool:
    """Whether the file was not written to since `date_file`."""
    return path.stat().st_mtime_ns == _nanoseconds(at)


def _nanoseconds(at: datetime) -> int:
    # a float of seconds would lose the last digits
    return int(at.timestamp()) * 1_000_000_000 + at.microsecond * 1000


def sync(path: Path) -> None:
    """Fsync a file, or a folder for its names: before that a rename is not durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def seal(path: Path, mode: int) -> None:
    """Set the mode of a finished file and fsync it."""
    path.chmod(mode)
    sync(path)


def replace(source: Path, target: Path) -> None:
    """Rename over the target, atomically (one function, so that tests can interrupt it)."""
    os.replace(source, target)
