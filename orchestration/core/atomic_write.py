"""Write files atomically.

A file is written under a temporary name beside its target, fsynced and renamed; a crash leaves at
most a ``.tmp-`` file, which the next ingest removes.
"""

from __future__ import annotations

import io
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from orchestration.core.files import sync

TEMPORARY = ".tmp-"


def temporary(folder: Path) -> Path:
    """A new temporary name in a folder, which is created if missing."""
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{TEMPORARY}{uuid.uuid4().hex}"


@contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """A temporary name; its file is removed at the end unless it was renamed."""
    path = temporary(folder)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def commit(path: Path, target: Path) -> None:
    """Fsync a temporary file and rename it to its target."""
    sync(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(path, target)
    sync(target.parent)


# From this number of files on, one sync of everything costs less than an fsync of each.
MANY = 16


def commit_all(pairs: list[tuple[Path, Path]]) -> None:
    """Fsync and rename temporary files, given as pairs of temporary file and target."""
    if len(pairs) < MANY:
        for path, target in pairs:
            commit(path, target)
        return
    os.sync()
    for path, target in pairs:
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(path, target)
    folders = {target.parent for _, target in pairs}
    for folder in sorted(folders | {folder.parent for folder in folders}):
        sync(folder)


def write_if_changed(target: Path, content: bytes) -> bool:
    """Write bytes unless the file already has them; returns whether it was written."""
    try:
        if target.read_bytes() == content:
            return False
    except FileNotFoundError:
        pass
    with scratch(target.parent) as path:
        path.write_bytes(content)
        commit(path, target)
    return True


def parquet_bytes(table: pa.Table) -> bytes:
    """A small table as the bytes of a Parquet file; equal tables give equal bytes."""
    out = io.BytesIO()
    pq.write_table(table, out, compression="zstd")
    return out.getvalue()
