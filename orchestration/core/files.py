"""Files: copies, links, renames, appended lines, fsync, and reasons of failures."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

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


def point(link: Path, target: str) -> None:
    """Make a link, or turn an existing one to another target, atomically."""
    temporary = link.with_name(f".{link.name}.tmp")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    replace(temporary, link)


def append_line(path: Path, record: Mapping[str, Any]) -> None:
    """Append one JSON line and fsync it before returning.

    A line torn by a crash is ended first, so that it spoils no line but itself.
    """
    line = json.dumps(record, ensure_ascii=False, sort_keys=True).encode() + b"\n"
    with path.open("ab+") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            line = line if file.read() == b"\n" else b"\n" + line
        file.write(line)
        file.flush()
        os.fsync(file.fileno())
    sync(path.parent)


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a file of JSON lines; a line torn by a crash is left out."""
    objects = []
    for line in path.read_bytes().split(b"\n") if path.exists() else ():
        with suppress(ValueError):
            found = json.loads(line)
            if isinstance(found, dict):
                objects.append(found)
    return objects


def hash_of_files(folders: Iterable[Path]) -> str:
    """SHA-256 over the bytes of the files below some folders, but for compiled Python."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                digest.update(path.read_bytes())
    return digest.hexdigest()
