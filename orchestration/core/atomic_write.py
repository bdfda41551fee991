"""Writing into the lake: whole or not at all.

Everything is written under a temporary name beside its target, synced, and renamed; a crash
leaves at most a ``.tmp-`` file, which the next ingest sweeps.
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
    """A new temporary name in a folder, which is made if need be."""
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{TEMPORARY}{uuid.uuid4().hex}"


@contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """A temporary name whose file, if one was made and not renamed, is removed at the end."""
    path = temporary(folder)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def commit(path: Path, target: Path) -> None:
    """Give a written temporary file its name, durably."""
    sync(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(path, target)
    sync(target.parent)


# From so many files on one sync of everything costs less than one of each.
MANY = 16


def commit_all(pairs: list[tuple[Path, Path]]) -> None:
    """Give written temporary files their names, durably; the pairs are temporary and target."""
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
    """Write bytes unless the file holds just them; whether it was written."""
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
