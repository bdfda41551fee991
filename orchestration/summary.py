"""What a run did, in plain text of 100 columns: the last thing `make run` prints.

Counts and scores come by SQL from the published file; the only arithmetic here is the test of
two groups' difference. Of users' texts only the names of segments, sources and checks are shown,
and those without control characters, so that no cell can forge a line.
"""

from __future__ import annotations

import math
import re
import textwrap
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from orchestration.errors import UserError
from orchestration.publish import (
    MARTS,
    RESTRICTED,
    Generation,
    open_published,
    published_generation,
)
from orchestration.sql import literal

if TYPE_CHECKING:
    from orchestration.workspace import Workspace

WIDTH = 100
LABEL = 12  # columns that a line's label takes
MOST_LISTED = 20


# --- what the run hands over ------------------------------------------------------------------


@dataclass(frozen=True)
class IngestTotals:
    """Files and rows of one run, summed up over its sources."""

    files_found: int = 0
    files_new: int = 0
    files_unchanged: int = 0
    files_quarantined: int = 0
    rows_delivered: int = 0
    rows_loaded: int = 0
    rows_rejected: int = 0
    rows_blank: int = 0

    @classmethod
    def of(cls, results: Iterable[Any]) -> IngestTotals:
        """Sum up ingest results; each has these totals as attributes of the same names."""
        results = list(results)
        return cls(**{f.name: sum(getattr(r, f.name) for r in results) for f in fields(cls)})


@dataclass(frozen=True)
class RunFacts:
    """What only the run itself knows.

    Attributes:
        ingest: files and rows taken in.
        checks_passed: names of the checks that passed.
        checks_failed: names of the failed checks that block publishing.
        checks_warned: names of the failed checks that don't.
        seconds: duration of each stage, in order.
        generation: what was published; None when publishing was blocked or failed.
    """

    ingest: IngestTotals = field(default_factory=IngestTotals)
    checks_passed: tuple[str, ...] = ()
    checks_failed: tuple[str, ...] = ()
    checks_warned: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    generation: Generation | None = None


# --- comparing two groups ---------------------------------------------------------------------


@dataclass(frozen=True)
class Counts:
    """Answers of a group by class."""

    promoters: int
    passives: int
    detractors: int

    @property
    def responses(self) -> int:
        """All answers: passives count."""
        return self.promoters + self.passives + self.detractors

    @property
    def nps(self) -> float:
        """100 (P - D) / n; n must not be 0."""
        return 100 * (self.promoters - self.detractors) / self.responses


@dataclass(frozen=True)
class Difference:
    """How two groups differ: points of NPS (raw, first minus second), and the test of it."""

    points: float
    standard_error: float
    z: float
    p_value: float


def compare(first: Counts, second: Counts, adjustment: float = 3) -> Difference:
    """Test whether two independent groups' NPS differ (METRICS, "Difference").

    The adjusted Wald test of Rocks (2016, arXiv 1601.07235): to each group `adjustment` answers
    are added, a quarter of them promoters and a quarter detractors; with the variance of one
    answer v = p + d - (p - d)^2, z = (nps'1 - nps'2) / sqrt(v'1 / n'1 + v'2 / n'2) and p is
    two-sided. An adjustment of 0 is the plain Wald test.

    Args:
        first: at least one answer.
        second: at least one answer, none of them in the first group.
        adjustment: answers added to each group.

    Returns:
        The difference in points of the scores as reported, its standard error in points, z and
        p. Where neither group varies (plain Wald only) z is 0 or infinite, and p 1 or 0.
    """
    scores, variances = [], []
    for group in (first, second):
        n = group.responses + adjustment
        p = (group.promoters + adjustment / 4) / n
        d = (group.detractors + adjustment / 4) / n
        scores.append(100 * (p - d))
        variances.append(1e4 * (p + d - (p - d) ** 2) / n)
    gap = scores[0] - scores[1]
    standard_error = math.sqrt(max(0.0, sum(variances)))
    z = 0.0
    if gap:
        z = gap / standard_error if standard_error > 0 else math.copysign(math.inf, gap)
    return Difference(
        points=first.nps - second.nps,
        standard_error=standard_error,
        z=z,
        p_value=math.erfc(abs(z) / math.sqrt(2)),
    )


@dataclass(frozen=True)
class Cell:
    """One published figure; nps and interval are None where suppressed or without answers."""

    period_start: date
    counts: Counts
    nps: float | None
    ci_low: float | None
    ci_high: float | None

    @property
    def comparable(self) -> bool:
        """Whether the figure is shown, and is the +100/0/-100 score that `compare` tests."""
        return (
            self.nps is not None
            and self.counts.responses > 0
            and abs(self.nps - self.counts.nps) < 1e-6
        )


@dataclass(frozen=True)
class Change:
    """The headline figure of two quarters; `difference` is None if one of them isn't shown."""

    before: Cell
    now: Cell
    difference: Difference | None


@dataclass(frozen=True)
class Contrast:
    """A segment against the rest of its dimension; names are as published, not yet made safe."""

    dimension: str
    segment: str
    counts: Counts
    rest: Counts
    difference: Difference


def headline_cell(connection: duckdb.DuckDBPyConnection, workspace: Workspace) -> Cell | None:
    """The headline figure over all time, or None without any answer."""
    cells = _headline_cells(connection, workspace, "all", "true", 1)
    return cells[0] if cells else None


def headline_change(connection: duckdb.DuckDBPyConnection, workspace: Workspace) -> Change | None:
    """The headline figure of the last two complete quarters that have answers, or None.

    A quarter is complete when its last day is not after the generation's `as_of_on`.
    """
    complete = "period_end <= (select as_of_on from marts._generation)"
    cells = _headline_cells(connection, workspace, "quarter", complete, 2)
    if len(cells) < 2:
        return None
    now, before = cells
    shown = now.comparable and before.comparable
    return Change(before, now, compare(now.counts, before.counts) if shown else None)


def contrasts(connection: duckdb.DuckDBPyConnection, workspace: Workspace) -> list[Contrast]:
    """Every segment against the rest of its dimension, the most different (|z|) first.

    Suppressed segments are left out, and so are those whose rest is as small as a suppressed
    cell: the difference would tell it. Of a dimension with two segments one is kept, since the
    other is its mirror.
    """
    rows = connection.execute(
        f"""
        with cells as (
            select
                dimension, segment, promoters, passives, detractors, responses, nps,
                is_suppressed,
                count(*) over dim as segments,
                sum(promoters) over dim - promoters as rest_promoters,
                sum(passives) over dim - passives as rest_passives,
                sum(detractors) over dim - detractors as rest_detractors,
                sum(responses) over dim - responses as rest_responses,
                row_number() over (partition by dimension order by segment) as place
            from marts.fct_nps_by_segment_period
            where time_grain = 'all' and basis = 'responses' and {is_headline(workspace)}
            window dim as (partition by dimension)
        )
        select
            dimension, segment, promoters, passives, detractors,
            rest_promoters, rest_passives, rest_detractors
        from cells
        where not is_suppressed and rest_responses >= {max(1, workspace.min_group_size)}
            and (segments > 2 or place = 1)
            and abs(nps - 100.0 * (promoters - detractors) / nullif(responses, 0)) < 1e-6
        """
    ).fetchall()
    found = []
    for dimension, segment, *numbers in rows:
        own, rest = Counts(*map(int, numbers[:3])), Counts(*map(int, numbers[3:]))
        found.append(Contrast(dimension, segment, own, rest, compare(own, rest)))
    return sorted(found, key=lambda c: (-abs(c.difference.z), c.dimension, c.segment))


def is_headline(workspace: Workspace) -> str:
    """The SQL condition that a row is of the headline's metric and survey type."""
    return (
        f"metric = {literal(workspace.headline.metric)} "
        f"and survey_type = {literal(workspace.headline.survey_type)}"
    )


def _headline_cells(
    connection: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    time_grain: str,
    condition: str,
    most: int,
) -> list[Cell]:
    """The latest cells of the headline figure, newest first."""
    rows = connection.execute(
        "select period_start, promoters, passives, detractors, nps, ci_low, ci_high "
        "from marts.fct_nps_by_period where basis = 'responses' and responses > 0 "
        f"and time_grain = {literal(time_grain)} and {is_headline(workspace)} and {condition} "
        f"order by period_start desc limit {most}"
    ).fetchall()
    return [Cell(start, Counts(int(p), int(a), int(d)), *rest) for start, p, a, d, *rest in rows]


# --- words ------------------------------------------------------------------------------------

_ANSI = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|[@-Z\\-_])")


def display_text(text: object, most: int = 40) -> str:
    """A user's text made safe for a terminal or a page: one line, nothing invisible.

    ANSI sequences and control, bidirectional, zero-width and unassigned characters are removed,
    white space is collapsed, and what is longer than `most` characters ends in an ellipsis.
    (For HTML it still has to be escaped.)
    """
    bare = _ANSI.sub("", str(text))
    spaced = "".join(" " if c.isspace() else c for c in bare)
    shown = "".join(c for c in spaced if c == " " or unicodedata.category(c)[0] not in "CZ")
    line = " ".join(shown.split())
    return line if len(line) <= most else line[: most - 1] + "…"


def quarter_name(day: date) -> str:
    """The quarter a day lies in, as `2025 Q4`."""
    return f"{day.year} Q{(day.month + 2) // 3}"


def p_words(p_value: float) -> str:
    """A p-value as `p 0.032` or `p < 0.001`."""
    return "p < 0.001" if p_value < 0.001 else f"p {p_value:.3f}"


def verdict(p_value: float, alpha: float, compared: int = 1) -> str:
    """`real` or `could be chance`, at significance `alpha`.

    Where the largest of several differences were picked, Bonferroni's bound for that many
    comparisons is used: of 20 equal groups one differs at 0.05 by chance alone.
    """
    if p_value * compared < alpha:
        return "real"
    return f"could be chance, with {compared:,} compared" if p_value < alpha else "could be chance"


def age_words(seconds: float) -> str:
    """An age in its largest fitting unit: `40 seconds`, `3 hours`, `12 days`."""
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")):
        count = int(seconds // size)
        if count >= (2 if size > 1 else 0):
            return f"{count} {unit}{'' if count == 1 else 's'}"
    raise ValueError(f"an age is not negative: {seconds}")


# --- the page of text -------------------------------------------------------------------------


def build_summary(workspace: Workspace, run: RunFacts, alpha: float = 0.05) -> str:
    """Tell what a run did, as plain text of at most 100 columns (but for long paths).

    Args:
        workspace: its published files are read; the figures are those of the generation that
            is published, which after a failed gate is the one before.
        run: what the run itself knows.
        alpha: the significance below which a difference is called real.

    Returns:
        The text, ending without a newline.
    """
    lines = [
        f"NPS warehouse: {workspace.root}, as of {workspace.as_of_on.isoformat()}",
        "=" * WIDTH,
    ]
    lines += _ingest_lines(run.ingest)
    lines += _check_lines(run)
    lines += _publication_lines(workspace, run)
    with suppress(duckdb.Error), open_published(workspace.published / MARTS.file_name) as marts:
        lines += _guarded(_row_lines, marts)
        lines += _quarantine_lines(workspace, marts)
        lines += _guarded(_headline_lines, marts, workspace, alpha)
        lines += _guarded(_segment_lines, marts, workspace, alpha)
    lines += _place_lines(workspace)
    if run.seconds:
        stages = ", ".join(f"{display_text(name)} {s:.1f} s" for name, s in run.seconds.items())
        lines += _said("Time", f"{stages}; {sum(run.seconds.values()):.1f} s in all")
    return "\n".join(lines)


def _guarded(lines_of: Any, *arguments: Any) -> list[str]:
    """Lines of a section, or none where the published file lacks its table."""
    with suppress(duckdb.CatalogException, duckdb.BinderException):
        return lines_of(*arguments)
    return []


def _said(label: str, text: str) -> list[str]:
    """A labelled paragraph, wrapped with its label hanging out; long words stay whole."""
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=f"{label:<{LABEL}}",
        subsequent_indent=" " * LABEL,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _listed(items: Sequence[Any], line: Callable[[Any], str]) -> list[str]:
    """One indented line for each item, cut after the twentieth."""
    lines = [f"{'':{LABEL}}  {line(item)}" for item in items[:MOST_LISTED]]
    if len(items) > MOST_LISTED:
        lines.append(f"{'':{LABEL}}  and {len(items) - MOST_LISTED:,} more")
    return lines


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _ingest_lines(t: IngestTotals) -> list[str]:
    files = (
        f"{_many(t.files_found, 'file')} found: {t.files_new:,} new, {t.files_unchanged:,} known "
        f"already, {t.files_quarantined:,} quarantined"
    )
    rows = (
        f"{_many(t.rows_delivered, 'row')} delivered, {t.rows_loaded:,} loaded, "
        f"{t.rows_rejected:,} rejected"
    )
    blank = f"; {_many(t.rows_blank, 'blank line')} skipped" if t.rows_blank else ""
    return [*_said("This run", files), *_said("", rows + blank)]


def _check_lines(run: RunFacts) -> list[str]:
    text = f"{len(run.checks_passed):,} passed, {len(run.checks_failed):,} failed"
    if run.checks_warned:
        text += f", {_many(len(run.checks_warned), 'warning')}"
    return [
        *_said("Checks", text),
        *_listed(run.checks_failed, lambda name: f"FAILED   {display_text(name, 76)}"),
        *_listed(run.checks_warned, lambda name: f"warning  {display_text(name, 76)}"),
    ]


def _publication_lines(workspace: Workspace, run: RunFacts) -> list[str]:
    if run.generation is not None:
        return _said("Published", f"generation {run.generation.generation_id}")
    try:
        current = published_generation(workspace)
    except UserError as error:
        return _said("Published", f"NOT PUBLISHED; {error}")
    if current is None:
        return _said("Published", "NOT PUBLISHED, and nothing was published before")
    return _said(
        "Published",
        f"NOT PUBLISHED: the generation before, {current['generation_id']}, stays; it stands as "
        f"of {current['as_of_on'].isoformat()} and is {age_words(current['age_seconds'])} old; "
        "the figures below are its",
    )


def _row_lines(marts: duckdb.DuckDBPyConnection) -> list[str]:
    """The whole lake's account: delivered = accepted + quarantined + … ."""
    names = ("accepted", "quarantined", "duplicate", "superseded", "deleted")
    sums = ", ".join(f"coalesce(sum(rows_{name}), 0)::bigint" for name in ("delivered", *names))
    files, delivered, *parts = marts.execute(
        f"select count(*), {sums} from marts.ingest_reconciliation"
    ).fetchone()  # type: ignore[misc]
    account = " + ".join(f"{n:,} {name}" for name, n in zip(names, parts, strict=True))
    return _said("All rows", f"{_many(files, 'file')}, {delivered:,} rows delivered = {account}")


def quarantined_files(marts: duckdb.DuckDBPyConnection) -> list[tuple[str, int, int]]:
    """(reason, files, rows delivered in them) of quarantined files, the most files first."""
    return marts.execute(
        "select coalesce(file_reason, '(no reason)'), count(*), "
        "coalesce(sum(rows_delivered), 0)::bigint from marts.ingest_reconciliation "
        "where file_status = 'quarantined' group by all order by 2 desc, 1"
    ).fetchall()


def _quarantine_lines(workspace: Workspace, marts: duckdb.DuckDBPyConnection) -> list[str]:
    files: list[tuple[str, int, int]] = []
    rows: list[tuple[str, int]] = []
    with suppress(duckdb.CatalogException):
        files = quarantined_files(marts)
    path = workspace.published / RESTRICTED.file_name
    try:
        with open_published(path) as restricted:
            rows = restricted.execute(
                "select coalesce(reason, '(no reason)'), count(*) "
                "from restricted.quarantined_rows group by all order by 2 desc, 1"
            ).fetchall()
    except duckdb.CatalogException:
        pass  # a build without that table has quarantined nothing
    except duckdb.Error:
        return _said("Quarantine", f"{RESTRICTED.file_name} can't be read by this user")
    if not files and not rows:
        return _said("Quarantine", "empty: every file and every row was accepted")
    total = sum(count for _, count in rows)
    lines = _said(
        "Quarantine", f"{_many(total, 'row')}; {_many(sum(f for _, f, _ in files), 'whole file')}"
    )
    lines += _listed(rows, lambda row: f"{display_text(row[0]):<32}{_many(row[1], 'row')}")
    lines += _listed(
        files,
        lambda file: (
            f"{display_text(file[0]):<32}{_many(file[1], 'file')} with {_many(file[2], 'row')}"
        ),
    )
    return lines + _said(
        "",
        f"See them in published/{RESTRICTED.file_name}: select * from restricted.restricted."
        "quarantined_rows; "
        "files: select * from marts.ingest_reconciliation where file_status = 'quarantined'",
    )


def _headline_lines(
    marts: duckdb.DuckDBPyConnection, workspace: Workspace, alpha: float
) -> list[str]:
    cell = headline_cell(marts, workspace)
    what = headline_name(workspace)
    if cell is None:
        return _said("Headline", f"{what}: no answers yet, so no score")
    c = cell.counts
    if cell.nps is None:
        return _said("Headline", f"{what}: too few answers to show a score ({c.responses:,})")
    interval = (
        f" (95 % interval {cell.ci_low:.1f} to {cell.ci_high:.1f})"
        if cell.ci_low is not None and cell.ci_high is not None
        else ""
    )
    score = (
        f"{what} {cell.nps:.1f}{interval} from {_many(c.responses, 'answer')}: {c.promoters:,} "
        f"promoters, {c.passives:,} passives, {c.detractors:,} detractors"
    )
    return [*_said("Headline", score), *_said("Change", change_words(marts, workspace, alpha))]


def metric_name(metric: str) -> str:
    """A metric as people write it: `NPS` for nps."""
    known = {"nps": "NPS", "enps": "eNPS", "csat": "CSAT", "ces": "CES"}
    return known.get(metric, display_text(metric))


def headline_name(workspace: Workspace) -> str:
    """What the headline is called: `NPS (relational)`."""
    headline = workspace.headline
    return f"{metric_name(headline.metric)} ({display_text(headline.survey_type)})"


def change_words(
    marts: duckdb.DuckDBPyConnection, workspace: Workspace, alpha: float = 0.05
) -> str:
    """The headline's last two complete quarters in one sentence, with the test's verdict."""
    change = headline_change(marts, workspace)
    if change is None:
        return "no two complete quarters with answers to compare yet"
    before, now = quarter_name(change.before.period_start), quarter_name(change.now.period_start)
    d = change.difference
    if d is None:
        return f"{before} and {now} can't be compared: too few answers in one of them"
    return (
        f"{d.points:+.1f} points from {before} ({change.before.nps:.1f}, "
        f"{_many(change.before.counts.responses, 'answer')}) to {now} ({change.now.nps:.1f}, "
        f"{_many(change.now.counts.responses, 'answer')}); {p_words(d.p_value)}: "
        f"{verdict(d.p_value, alpha)}"
    )


def _segment_lines(
    marts: duckdb.DuckDBPyConnection, workspace: Workspace, alpha: float
) -> list[str]:
    found = contrasts(marts, workspace)
    if not found:
        return _said("Segments", "none with enough answers to compare with the rest")
    lines = _said(
        "Segments",
        f"the most different from the rest of their dimension, of {len(found):,} compared:",
    )
    for c in found[:3]:
        name = f"{display_text(c.dimension, 24)} = {display_text(c.segment, 32)}"
        d = c.difference
        text = (
            f"{name}: {c.counts.nps:.1f} against {c.rest.nps:.1f}, {d.points:+.1f} points, "
            f"{p_words(d.p_value)}: {verdict(d.p_value, alpha, len(found))}"
        )
        lines += textwrap.wrap(
            text, WIDTH, initial_indent=" " * (LABEL + 2), subsequent_indent=" " * (LABEL + 4)
        )
    return lines


def _place_lines(workspace: Workspace) -> list[str]:
    places: dict[str, Path] = {
        "tables for BI": workspace.published / MARTS.file_name,
        "comments, identities": workspace.published / RESTRICTED.file_name,
        "tables as Parquet": workspace.published / "parquet",
        "report": workspace.published / "report" / "index.html",
        "history of generations": workspace.published / "ledger.jsonl",
        "logs and check results": workspace.runs,
    }
    lines = []
    for what, path in places.items():
        with suppress(ValueError):
            path = path.relative_to(workspace.root)  # noqa: PLW2901
        label = "Where" if not lines else ""
        lines.append(f"{label:<{LABEL}}{what:<24}{path}")
    return lines
