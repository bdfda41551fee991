"""What was published when: the ledger, and the headline figures in it that later runs restate.

`published/ledger.jsonl` has a line for each generation. A line's `figures` are those headline
figures of periods that were over whose counts no earlier line has: what was said then stays on
record, whatever is rebuilt, and costs a line only when it changes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from orchestration.core.files import sync
from orchestration.core.sql import literal

if TYPE_CHECKING:
    from orchestration.workspace.model import Workspace

# A figure in the ledger: what it is of, and its counts.
KEY = ("metric", "survey_type", "time_grain", "period_start", "period_end", "basis")
COUNTS = ("promoters", "passives", "detractors")
# Of a day hardly anybody keeps the figure, and the whole of time is never over.
GRAINS = ("week", "month", "quarter", "year")
FIRST_PUBLISHED = pa.schema(
    [
        ("metric", pa.string()),
        ("survey_type", pa.string()),
        ("time_grain", pa.string()),
        ("period_start", pa.date32()),
        ("period_end", pa.date32()),
        ("basis", pa.string()),
        *((name, pa.int64()) for name in COUNTS),
        ("as_of_on", pa.date32()),
    ]
)


def read_ledger(workspace: Workspace) -> list[dict[str, Any]]:
    """Every generation published so far, oldest first; a torn line (a crash) is left out."""
    path = workspace.published / "ledger.jsonl"
    lines = []
    if path.exists():
        for line in path.read_bytes().split(b"\n"):
            with suppress(ValueError):
                record = json.loads(line)
                if isinstance(record, dict):
                    lines.append(record)
    return lines


def append_line(path: Path, record: Mapping[str, Any]) -> None:
    """Append one JSON line and fsync it before returning.

    A line torn by a crash is ended first, so that it spoils no line but itself.
    """
    line = json.dumps(record, ensure_ascii=False, sort_keys=True).encode() + b"\n"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            line = b"\n" + line
        while line:
            line = line[os.write(descriptor, line) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync(path.parent)


def new_figures(
    connection: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    as_of_on: date,
    ledger: Iterable[dict[str, Any]],
) -> list[list[Any]]:
    """The headline figures of a published file that the ledger does not have yet.

    Args:
        connection: the published file, with `marts.fct_nps_by_period` in it.
        workspace: whose headline it is.
        as_of_on: the generation's: says which periods were over.
        ledger: the lines so far, oldest first.

    Returns:
        One list a figure, in the order of `KEY` and `COUNTS`, dates in ISO 8601; a figure that
        was published and has no answers left is there with counts of 0.
    """
    known: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    for _, key, counts in _figures_of(ledger):
        known[key] = counts
    rows = connection.execute(
        f"""
        select {", ".join(KEY)}, {", ".join(COUNTS)} from marts.fct_nps_by_period
        where time_grain in {GRAINS} and period_end <= {literal(as_of_on)}
            and metric = {literal(workspace.headline.metric)}
            and survey_type = {literal(workspace.headline.survey_type)}
        order by all
        """
    ).fetchall()
    current = {
        tuple(str(value) for value in row[: len(KEY)]): tuple(row[len(KEY) :]) for row in rows
    }
    headline = (workspace.headline.metric, workspace.headline.survey_type)
    gone = {
        key: (0, 0, 0)
        for key in known.keys() - current.keys()
        if key[:2] == headline and date.fromisoformat(key[4]) <= as_of_on
    }
    return [
        [*key, *counts]
        for key, counts in sorted({**current, **gone}.items())
        if known.get(key) != counts
    ]


def write_published_figures(workspace: Workspace) -> None:
    """Write `lake/ledger/published_figures.parquet`: each figure as it was first published.

    The models' source `raw.published_figures`. Every line of the ledger is read; the file is
    left alone where nothing changed.
    """
    from orchestration.core.atomic_write import parquet_bytes, write_if_changed

    first: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    for as_of_on, key, counts in _figures_of(read_ledger(workspace)):
        first.setdefault(key, (*counts, as_of_on))
    rows = [(*key, *values) for key, values in sorted(first.items())]
    columns = {
        name: [
            date.fromisoformat(row[place]) if pa.types.is_date(field.type) else row[place]
            for row in rows
        ]
        for place, (name, field) in enumerate(
            zip(FIRST_PUBLISHED.names, FIRST_PUBLISHED, strict=True)
        )
    }
    write_if_changed(
        workspace.published_figures, parquet_bytes(pa.table(columns, schema=FIRST_PUBLISHED))
    )


def _figures_of(
    ledger: Iterable[dict[str, Any]],
) -> Iterator[tuple[str, tuple[Any, ...], tuple[Any, ...]]]:
    """As-of day, key and counts of every figure, oldest first; a line that holds none is passed."""
    width = len(KEY) + len(COUNTS)
    for line in ledger:
        for figure in line.get("figures") or ():
            if isinstance(figure, list) and len(figure) == width and line.get("as_of_on"):
                yield line["as_of_on"], tuple(figure[: len(KEY)]), tuple(figure[len(KEY) :])
