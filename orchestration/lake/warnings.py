"""Warnings about a loaded file: columns left over, times read in the default zone."""

from __future__ import annotations

import pyarrow as pa

from orchestration.lake.columns import count, shown_names
from orchestration.lake.manifest import Key
from orchestration.lake.projection import build_projection
from orchestration.lake.rawfile import registered
from orchestration.lake.rows import Rows
from orchestration.lake.session import ReadFile, Run

_ASSUMED = "times without an offset"


def file_warnings(run: Run, rows: Rows, naive: list[str] | None = None) -> list[str]:
    """Warnings of one file: columns that are not mapped, times read in the default zone."""
    warnings = []
    extra = [name for place, name in enumerate(rows.names) if place not in set(rows.at.values())]
    extra = [name for name in extra if name.strip()]
    if extra:
        warnings.append(
            f"{count(len(extra), 'column')} not mapped, kept in _extra: {shown_names(extra)}"
        )
    naive = _naive(run, rows, rows.sample) if naive is None else naive
    if naive:
        warnings.append(
            f"{_ASSUMED} ({', '.join(naive)}) are read in the workspace's "
            f"zone {run.workspace.timezone}; declare timezone in the entry"
        )
    return warnings


def assumed_timezone(run: Run, warnings: list[str]) -> str | None:
    """The zone in which a file's times were read for want of a declared one; None: none."""
    assumed = any(warning.startswith(_ASSUMED) for warning in warnings)
    return run.workspace.timezone if assumed else None


def warnings_by_file(run: Run, reads: list[ReadFile]) -> dict[Key, list[str]]:
    """The warnings of many small files, looking for naive times in all of them at once first."""
    samples = [read.opened.sample for read in reads if read.opened.sample is not None]
    all_zoned = not samples or not _naive(run, reads[0].opened, pa.Table.from_batches(samples))
    naive: list[str] | None = [] if all_zoned else None
    return {read.state.key: file_warnings(run, read.opened, naive) for read in reads}


def _naive(run: Run, rows: Rows, sample: pa.RecordBatch | pa.Table | None) -> list[str]:
    """The time columns in which a row names no zone, where none is declared for the source."""
    if run.source.timezone is not None or sample is None:
        return []
    naive: dict[str, None] = {}
    for part in run.source.parts:
        made = build_projection(run.workspace, part, rows, "sample")
        if made.naive:
            with registered(run.connection, "sample", sample) as connection:
                (found,) = connection.execute(made.naive).fetchall()
            naive |= {name: None for name, is_so in zip(made.times, found, strict=True) if is_so}
    return list(naive)
