"""What a run did, in plain text of 100 columns: the last thing `make run` prints.

Every figure comes by SQL from the published file: nothing is computed here. Of users' texts only
the names of segments, sources and checks are shown, and those without control characters, so that
no cell can forge a line.
"""

from __future__ import annotations

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

from orchestration.core.errors import UserError
from orchestration.core.sql import literal
from orchestration.publish.publish import (
    MARTS,
    RESTRICTED,
    Generation,
    open_published,
    published_generation,
)

if TYPE_CHECKING:
    from orchestration.workspace.model import Workspace

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


# --- what the published tables say --------------------------------------------------------------


@dataclass(frozen=True)
class Cell:
    """The headline figure over all time; nps and interval are None where suppressed."""

    responses: int
    promoters: int
    passives: int
    detractors: int
    nps: float | None
    ci_low: float | None
    ci_high: float | None


@dataclass(frozen=True)
class Comparison:
    """A row of nps_change_significance: a score beside the one it is compared with.

    Attributes:
        dimension: as published, not yet made safe; `all` for the headline itself.
        segment: as published, not yet made safe.
        time_grain: the grain of both periods.
        period_start: first day of the period.
        compared_start: first day of the period compared with.
        responses: customers, by their latest answers.
        nps: None where there are too few.
        compared_responses: customers that it is compared with.
        compared_nps: None where there are too few.
        change: points; None where either side has too few answers, like all that follows.
        p_adjusted: corrected for all comparisons of the family.
        is_significant: at the declared level.
    """

    dimension: str
    segment: str
    time_grain: str
    period_start: date
    compared_start: date
    responses: int
    nps: float | None
    compared_responses: int
    compared_nps: float | None
    change: float | None
    p_adjusted: float | None
    is_significant: bool | None


@dataclass(frozen=True)
class Split:
    """What of the headline's change each segment's score made, and what their weights did."""

    dimension: str
    rate: float
    mix: float


@dataclass(frozen=True)
class Risk:
    """A figure of nps_revenue_at_risk for the whole business; amounts are None where unknown.

    `customers` are those whose revenue is known: the amounts are theirs.
    """

    figure: str
    nps_class: str
    horizon_days: int
    customers: int
    assumed_rate: float
    assumed_amount: float | None
    observed_rate: float | None
    evidence_amount: float | None


CHANGE_GRAINS = ("quarter", "month")
_COMPARISON = (
    "dimension, segment, time_grain, period_start, compared_period_start, responses, nps, "
    "compared_responses, compared_nps, change, p_adjusted, is_significant"
)


def headline_cell(connection: duckdb.DuckDBPyConnection, workspace: Workspace) -> Cell | None:
    """The headline figure over all time, or None without any answer."""
    row = connection.execute(
        "select responses, promoters, passives, detractors, nps, ci_low, ci_high "
        "from marts.fct_nps_by_period where basis = 'responses' and responses > 0 "
        f"and time_grain = 'all' and {is_headline(workspace)}"
    ).fetchone()
    return Cell(*row) if row else None


def headline_change(
    connection: duckdb.DuckDBPyConnection, workspace: Workspace
) -> Comparison | None:
    """The last complete period with answers against the one before: quarters, else months.

    Each customer counts once: the test takes answers to be independent, and those of one
    customer are not.
    """
    for grain in CHANGE_GRAINS:
        row = connection.execute(
            f"select {_COMPARISON} from marts.nps_change_significance "
            f"where {_latest(workspace, grain)} and dimension = 'all'"
        ).fetchone()
        if row:
            return Comparison(*row)
    return None


def change_splits(
    connection: duckdb.DuckDBPyConnection, workspace: Workspace, change: Comparison | None
) -> list[Split]:
    """A change of the headline split into rate and mix by each dimension, the largest mix first.

    A dimension whose weights did not move tells nothing, and is left out.
    """
    if change is None or change.change is None:
        return []
    rows = connection.execute(
        "select dimension, sum(rate_effect), sum(mix_effect) from marts.nps_change_significance "
        f"where {_latest(workspace, change.time_grain)} and dimension <> 'all' group by dimension "
        # what rounds to nothing on the screen is nothing
        "having round(abs(sum(mix_effect)), 1) > 0 order by abs(sum(mix_effect)) desc, dimension"
    ).fetchall()
    return [Split(*row) for row in rows]


def _latest(workspace: Workspace, grain: str) -> str:
    """The SQL condition of the headline's last complete period that has one before it."""
    condition = (
        f"comparison = 'previous_period' and time_grain = {literal(grain)} "
        f"and basis = 'customers' and is_complete and {is_headline(workspace)}"
    )
    return (
        f"{condition} and period_start = (select max(period_start) "
        f"from marts.nps_change_significance where {condition})"
    )


def contrasts(connection: duckdb.DuckDBPyConnection, workspace: Workspace) -> list[Comparison]:
    """Every segment against the rest of its dimension over all time, the most different first.

    Each customer counts once, see `headline_change`.
    Left out are those too small to compare, on either side: the difference would tell the
    smaller. Of a dimension with two segments one is kept, since the other is its mirror.
    """
    rows = connection.execute(
        f"""
        with cells as (
            select
                *,
                count(*) over (partition by dimension) as segments,
                row_number() over (partition by dimension order by segment) as place
            from marts.nps_change_significance
            where comparison = 'rest_of_dimension' and time_grain = 'all'
                and basis = 'customers' and {is_headline(workspace)}
        )
        select {_COMPARISON} from cells
        where z is not null and (segments > 2 or place = 1)
        order by abs(z) desc, dimension, segment
        """
    ).fetchall()
    return [Comparison(*row) for row in rows]


def revenue_at_risk(connection: duckdb.DuckDBPyConnection, workspace: Workspace) -> list[Risk]:
    """The headline's figures of revenue at risk and upside, the nearest horizon first."""
    rows = connection.execute(
        "select figure, nps_class, horizon_days, priced_customers, assumed_rate, assumed_amount, "
        "observed_rate, evidence_amount from marts.nps_revenue_at_risk "
        f"where dimension = 'all' and {is_headline(workspace)} order by horizon_days, figure"
    ).fetchall()
    return [Risk(*row) for row in rows]


def is_headline(workspace: Workspace) -> str:
    """The SQL condition that a row is of the headline's metric and survey type."""
    return (
        f"metric = {literal(workspace.headline.metric)} "
        f"and survey_type = {literal(workspace.headline.survey_type)}"
    )


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


def period_names(change: Comparison) -> tuple[str, str]:
    """The period before and the period now, as `2025 Q3` or `Aug 2025`."""
    days = change.compared_start, change.period_start
    if change.time_grain == "quarter":
        return quarter_name(days[0]), quarter_name(days[1])
    return f"{days[0]:%b %Y}", f"{days[1]:%b %Y}"


def p_words(p_value: float) -> str:
    """A p-value as `p 0.032` or `p < 0.001`."""
    return "p < 0.001" if p_value < 0.001 else f"p {p_value:.3f}"


def verdict(comparison: Comparison) -> str:
    """`real` or `could be chance`, as the table judged it with all its comparisons counted."""
    return "real" if comparison.is_significant else "could be chance"


def age_words(seconds: float) -> str:
    """An age in its largest fitting unit: `40 seconds`, `3 hours`, `12 days`."""
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")):
        count = int(seconds // size)
        if count >= (2 if size > 1 else 0):
            return f"{count} {unit}{'' if count == 1 else 's'}"
    raise ValueError(f"an age is not negative: {seconds}")


# --- the page of text -------------------------------------------------------------------------


def build_summary(workspace: Workspace, run: RunFacts) -> str:
    """Tell what a run did, as plain text of at most 100 columns (but for long paths).

    Args:
        workspace: its published files are read; the figures are those of the generation that
            is published, which after a failed gate is the one before.
        run: what the run itself knows.

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
        lines += _guarded(_headline_lines, marts, workspace)
        lines += _guarded(_change_lines, marts, workspace)
        lines += _guarded(_segment_lines, marts, workspace)
        lines += _guarded(_risk_lines, marts, workspace)
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


def _headline_lines(marts: duckdb.DuckDBPyConnection, workspace: Workspace) -> list[str]:
    cell = headline_cell(marts, workspace)
    what = headline_name(workspace)
    if cell is None:
        return _said("Headline", f"{what}: no answers yet, so no score")
    if cell.nps is None:
        return _said("Headline", f"{what}: too few answers to show a score ({cell.responses:,})")
    interval = (
        f" (95 % interval {cell.ci_low:.1f} to {cell.ci_high:.1f})"
        if cell.ci_low is not None and cell.ci_high is not None
        else ""
    )
    return _said(
        "Headline",
        f"{what} {cell.nps:.1f}{interval} from {_many(cell.responses, 'answer')}: "
        f"{cell.promoters:,} promoters, {cell.passives:,} passives, {cell.detractors:,} detractors",
    )


def _change_lines(marts: duckdb.DuckDBPyConnection, workspace: Workspace) -> list[str]:
    """The change in one sentence, and how much of it is people answering otherwise."""
    change = headline_change(marts, workspace)
    if change is None:
        return _said("Change", "no two complete quarters or months with answers to compare yet")
    lines = _said("Change", change_words(change))
    splits = change_splits(marts, workspace, change)
    if splits:
        parts = "; ".join(
            f"by {display_text(split.dimension, 24)} {split.rate:+.1f} because scores changed and "
            f"{split.mix:+.1f} because the mix did"
            for split in splits[:2]
        )
        lines += _said("", f"of it, {parts}")
    return lines


def metric_name(metric: str) -> str:
    """A metric as people write it: `NPS` for nps."""
    known = {"nps": "NPS", "enps": "eNPS", "csat": "CSAT", "ces": "CES"}
    return known.get(metric, display_text(metric))


def headline_name(workspace: Workspace) -> str:
    """What the headline is called: `NPS (relational)`."""
    headline = workspace.headline
    return f"{metric_name(headline.metric)} ({display_text(headline.survey_type)})"


def change_words(change: Comparison) -> str:
    """A change of two periods in one sentence, with its verdict."""
    before, now = period_names(change)
    if change.change is None or change.p_adjusted is None:
        return f"{before} and {now} can't be compared: too few answers in one of them"
    return (
        f"{change.change:+.1f} points from {before} ({change.compared_nps:.1f}, "
        f"{_many(change.compared_responses, 'customer')}) to {now} ({change.nps:.1f}, "
        f"{_many(change.responses, 'customer')}); {p_words(change.p_adjusted)}: {verdict(change)}"
    )


def _segment_lines(marts: duckdb.DuckDBPyConnection, workspace: Workspace) -> list[str]:
    found = contrasts(marts, workspace)
    if not found:
        return _said("Segments", "none with enough answers to compare with the rest")
    lines = _said(
        "Segments",
        f"the most different from the rest of their dimension, each customer once, of "
        f"{len(found):,} compared:",
    )
    for c in found[:3]:
        name = f"{display_text(c.dimension, 24)} = {display_text(c.segment, 32)}"
        text = (
            f"{name}: {c.nps:.1f} against {c.compared_nps:.1f}, {c.change:+.1f} points, "
            f"{p_words(c.p_adjusted or 0.0)}: {verdict(c)}"
        )
        lines += textwrap.wrap(
            text, WIDTH, initial_indent=" " * (LABEL + 2), subsequent_indent=" " * (LABEL + 4)
        )
    return lines


def _risk_lines(marts: duckdb.DuckDBPyConnection, workspace: Workspace) -> list[str]:
    """Revenue at risk by rule of thumb and by what was seen; nothing where no MRR is delivered."""
    found = [r for r in revenue_at_risk(marts, workspace) if r.assumed_amount is not None]
    if not found:
        return []
    lines = _said("Revenue", f"a year, in {workspace.currency}, by rule of thumb and as observed:")
    for risk in found:
        what = display_text(risk.figure).replace("_", " ")
        seen = (
            f"{risk.evidence_amount:,.0f} seen ({risk.observed_rate:.1%})"
            if risk.evidence_amount is not None and risk.observed_rate is not None
            else "nothing seen yet to tell"
        )
        text = (
            f"{what}, {_many(risk.customers, display_text(risk.nps_class))} in "
            f"{risk.horizon_days:,} days: {risk.assumed_amount:,.0f} by rule "
            f"({risk.assumed_rate:.0%}), {seen}"
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
