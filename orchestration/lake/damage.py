"""Find damaged Parquet files of the lake, and say how to restore them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from orchestration.core.errors import UserError
from orchestration.workspace.model import Workspace

_ERRORS = (pa.ArrowException, OSError, ValueError)


def damage_message(path: Path) -> str:
    """The message about a damaged file and how to restore it."""
    return (
        f"{path}: the file is damaged; remove it, and the next run reads its rows again from "
        "the archive"
    )


def check_footers(workspace: Workspace) -> None:
    """Check that each Parquet file of the lake is complete, by reading its footer alone.

    Raises:
        UserError: one line for each damaged file.
    """
    damaged = []
    for path in _lake_files(workspace):
        try:
            pq.read_metadata(path)
        except _ERRORS:
            damaged.append(damage_message(path))
    if damaged:
        raise UserError("\n".join(damaged))


def find_damage(workspace: Workspace) -> str | None:
    """Read every Parquet file of the lake as a whole; call it when reading them failed.

    Returns:
        One line about the first damaged file; None if all can be read.
    """
    for path in _lake_files(workspace):
        try:
            with pq.ParquetFile(path) as file:
                for _ in file.iter_batches():
                    pass
        except _ERRORS:
            return damage_message(path)
    return None


def _lake_files(workspace: Workspace) -> Iterator[Path]:
    for top in (workspace.raw, workspace.rejected):
        yield from sorted(top.glob("*/*.parquet"))
