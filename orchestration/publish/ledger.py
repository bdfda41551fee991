"""What was published when: the ledger, and the headline figures in it that later runs restate.

`published/ledger.jsonl` has a line for each generation. A line's `figures` are those headline
figures of periods that were over whose counts no earlier line has: what was said then stays on
record, whatever is rebuilt, and costs a line only when it changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa

from orchestration.core.atomic_write import parquet_bytes, write_if_changed
from orchestration.core.duckdb_session import open_published, table_rows
from orchestration.core.files import append_line, read_json_lines
from orchestration.core.sql import literal
from orchestration.publish.generation import GENERATION_TABLE, MARTS, PARTS, read_generation
from orchestration.warehouse import batches
from orchestration.workspace.model import Workspace

# A figure in the ledger: what it is of, and its counts.
KEY = ("metric", "survey_type", "time_grain", "period_start", "period_end", "basis")
COUNTS = ("promoters", "passives", "detractors")
# Of a day hardly anybody keeps the figure, and the whole of time is never over.
GRAINS = ("week", "month", "quarter", "year", "fiscal_quarter", "fiscal_year")
FIRST_PUBLISHED = pa.schema(
    [(name, pa.date32() if name.startswith("period_") else pa.string()) for name in KEY]
    + [(name, pa.int64()) for name in COUNTS]
    + [("as_of_on", pa.date32())]
)
Lines = list[dict[str, Any]]
Marts = duckdb.DuckDBPyConnection
HEADLINE = ("metric", "survey_type", "responses", "nps", "ci_low", "ci_high")


class Generation(NamedTuple):
    """One published generation: its line in the ledger."""

    generation_id: str  # sorts by time; the same in both files and the name of their folder
    built_at: str  # UTC, ISO 8601
    as_of_on: str  # the day, ISO 8601, at whose end every figure stands
    inputs_hash: str  # what the caller says the generation was built from
    rows: dict[str, int]  # of every published table, by `<schema>.<table>`
    headline: dict[str, Any] | None  # over all time; None where the build has no such row
    figures: list[list[Any]]  # the headline figures that no earlier generation published so
    bytes: dict[str, int]  # of nps.duckdb, restricted.duckdb and the Parquet folder
    versions: dict[str, str]  # of what built it, by name


def read_ledger(workspace: Workspace) -> Lines:
    """The line of every generation published so far and of every rollback, oldest first."""
    return read_json_lines(workspace.published / "ledger.jsonl")


def record_published(workspace: Workspace) -> bool:
    """Write the ledger line of the published generation, unless the ledger has it.

    It holds what the published files say of themselves: a line that a killed run left to the next
    one is the line that would have been written in time.

    Raises:
        duckdb.Error: nothing is published, or it can't be read.
    """
    published, ledger = workspace.published, read_ledger(workspace)
    stamp = read_generation(published / MARTS.file_name, MARTS.schema)
    if any(line.get("generation_id") == stamp["generation_id"] for line in ledger):
        return False
    rows: dict[str, int] = {}
    as_of_on = stamp["as_of_on"].isoformat()
    headline, figures = None, []
    for part in PARTS:
        with open_published(published / part.file_name) as connection:
            found = table_rows(connection, "published", part.schema)
            if "fct_nps_by_period" in found:
                headline = _headline(connection, workspace)
                figures = _new_figures(connection, workspace, as_of_on, ledger)
        rows |= {f"{part.schema}.{n}": c for n, c in found.items() if n != GENERATION_TABLE}
    generation = Generation(
        generation_id=stamp["generation_id"],
        built_at=stamp["built_at"].isoformat().replace("+00:00", "Z"),
        as_of_on=as_of_on,
        inputs_hash=stamp["inputs_hash"],
        rows=rows,
        headline=headline,
        figures=figures,
        bytes=sizes(published),
        versions=stamp["versions"],
    )
    append_line(published / "ledger.jsonl", generation._asdict())
    return True


def sizes(published: Path) -> dict[str, int]:
    """Bytes of the published DuckDB files and of the Parquet folder."""
    found = {part.file_name: (published / part.file_name).stat().st_size for part in PARTS}
    parquet = published.glob("parquet/*/*.parquet")
    return found | {"parquet": sum(path.stat().st_size for path in parquet)}


def _headline(marts: Marts, workspace: Workspace) -> dict[str, Any] | None:
    """The headline figure over all time, one answer one voice; None without such a row."""
    row = marts.execute(
        f"select {', '.join(HEADLINE)} from marts.fct_nps_by_period "
        f"where time_grain = 'all' and basis = 'responses' and {workspace.headline.condition}"
    ).fetchone()
    return None if row is None else dict(zip(HEADLINE, row, strict=True))


def _new_figures(marts: Marts, workspace: Workspace, over: str, ledger: Lines) -> list[list[Any]]:
    """The headline figures of a published file that the ledger does not have yet.

    Each is a list in the order of `KEY` and `COUNTS`, dates in ISO 8601; one that was published and
    has no answers left has counts of 0.
    """
    known = {key: counts for _, key, counts in _figures_of(ledger)}
    headline = (workspace.headline.metric, workspace.headline.survey_type)
    kept = (key for key in known if workspace.has_period(key[2], date.fromisoformat(key[3])))
    figures = {key: (0, 0, 0) for key in kept if key[:2] == headline and key[4] <= over}
    rows = marts.execute(
        f"select {', '.join(KEY)}, {', '.join(COUNTS)} from marts.fct_nps_by_period "
        f"where time_grain in {GRAINS} and period_end <= {literal(over)} "
        f"and {workspace.headline.condition}"
    ).fetchall()
    figures |= {tuple(map(str, row[: len(KEY)])): row[len(KEY) :] for row in rows}
    return [[*key, *counts] for key, counts in sorted(figures.items()) if known.get(key) != counts]


def _figures_of(ledger: Lines) -> Iterator[tuple[Any, ...]]:
    """As-of day, key and counts of every figure, oldest first."""
    for line in ledger:
        for figure in line.get("figures") or ():
            yield line["as_of_on"], tuple(figure[: len(KEY)]), tuple(figure[len(KEY) :])


def write_lake_tables(workspace: Workspace) -> None:
    """Write `built_files`, `last_build` and `published_figures`, which dbt reads as sources.

    The figures come from the ledger: a line that a killed publication owes is added first.
    """
    batches.ensure(workspace)
    with suppress(duckdb.Error):  # a published file that can't be read: the next one replaces it
        record_published(workspace)
    write_published_figures(workspace)


def write_published_figures(workspace: Workspace) -> None:
    """Write the source `raw.published_figures`: each figure as it was first published."""
    first: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    for as_of_on, key, counts in _figures_of(read_ledger(workspace)):
        first.setdefault(key, (*counts, as_of_on))
    rows = [(*key, *values) for key, values in sorted(first.items())]
    columns = [[row[place] for row in rows] for place in range(len(FIRST_PUBLISHED))]
    table = pa.table(columns, names=FIRST_PUBLISHED.names).cast(FIRST_PUBLISHED)
    write_if_changed(workspace.published_figures, parquet_bytes(table))
