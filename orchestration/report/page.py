"""The report: one HTML page that speaks for itself, from the published file.

The page asks nothing of any other address: its charts are SVG in the page, its style is in the
page, there is no script. Colours of the charts are the light theme's in the SVG itself (so that
the PNG has them too) and are overridden by the page's style in the dark. Every chart is drawn
twice, wide and narrow, and the page shows the one that fits: a wide chart shrunk to a phone could
not be read.

Texts of users (names of segments, surveys, sources and files) are made visible by `display_text`
and then escaped.
"""

from __future__ import annotations

import html
import itertools
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from orchestration.core.atomic_write import write_if_changed
from orchestration.core.errors import UserError
from orchestration.core.files import reason_of
from orchestration.publish.publish import MARTS, open_published
from orchestration.report.charts import (
    CLASSES,
    COLOURS,
    NARROW,
    WIDE,
    Curve,
    Figure,
    Outcome,
    churn_spec,
    curves_spec,
    domain_of,
    dots_spec,
    plain,
    png,
    svg,
    titled_trend_spec,
    trend_spec,
)
from orchestration.report.summary import (
    Cell,
    Comparison,
    Risk,
    Split,
    change_splits,
    contrasts,
    display_text,
    headline_cell,
    headline_change,
    headline_name,
    is_headline,
    metric_name,
    p_words,
    period_names,
    quarantined_files,
    revenue_at_risk,
)

if TYPE_CHECKING:
    from orchestration.workspace.model import Workspace

TREND_MONTHS = 36  # the most recent; older ones stay in the published tables
MOST_SEGMENTS = 14  # of one dimension, those with the most answers
MOST_FILES = 20
# --- what the page tells ------------------------------------------------------------------------


@dataclass(frozen=True)
class Facts:
    """Everything the page shows."""

    generation: dict[str, Any]
    headline: Cell | None = None
    change: Comparison | None = None
    months: list[Figure] = field(default_factory=list)
    segments: dict[str, list[Figure]] = field(default_factory=dict)
    contrasts: list[Comparison] = field(default_factory=list)
    splits: list[Split] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)
    risks: list[Risk] = field(default_factory=list)
    described: dict[str, str] = field(default_factory=dict)
    others: list[tuple[str, str, int, float | None, float | None, float | None]] = field(
        default_factory=list
    )
    sources: list[tuple[Any, ...]] = field(default_factory=list)
    quarantined: list[tuple[str, int, int]] = field(default_factory=list)
    files: list[tuple[str, str, str, str]] = field(default_factory=list)


# --- the public functions -----------------------------------------------------------------------


def write_report(
    workspace: Workspace, *, database: Path | None = None, folder: Path | None = None
) -> Path:
    """Write the report of a generation, replacing the previous page in one step.

    Args:
        workspace: its settings say what the headline is; drawings are kept in its `runs`.
        database: the DuckDB file to read; by default the published one.
        folder: where `index.html` is written; by default `published/report`.

    Returns:
        The page, `index.html` in the folder.

    Raises:
        UserError: nothing is published, the file can't be read, or the page can't be written;
            the previous page stays.
    """
    page = _page(workspace, _facts(workspace, database))
    path = (folder or workspace.published / "report") / "index.html"
    try:
        write_if_changed(path, page.encode())
    except OSError as error:
        raise UserError(
            f"{path}: the report can't be written ({reason_of(error)}); the previous one stays"
        ) from error
    return path


def trend_png(workspace: Workspace, *, database: Path | None = None) -> bytes:
    """Draw the headline's trend by month as a small PNG; without answers it says so.

    Args:
        workspace: its settings say what the headline is; drawings are kept in its `runs`.
        database: the DuckDB file to read; by default the published one.

    Raises:
        UserError: nothing is published, or the file can't be read.
    """
    title = f"{headline_name(workspace)} by month, with its 95 % interval"
    months = _facts(workspace, database).months
    return png(_drawings(workspace), "trend", titled_trend_spec, title, months)


def _drawings(workspace: Workspace) -> Path:
    return workspace.runs / "charts"


# --- reading ------------------------------------------------------------------------------------


def _facts(workspace: Workspace, database: Path | None = None) -> Facts:
    """Read everything the page shows; what the file lacks stays empty."""
    path = database or workspace.published / MARTS.file_name
    if not path.exists():
        raise UserError(f"{path}: nothing is published yet; run refresh first")
    try:
        with open_published(path) as marts:

            def read(what: Any, *arguments: Any) -> dict[str, Any]:
                with suppress(duckdb.CatalogException):
                    return what(marts, workspace, *arguments)
                return {}

            generation = _read_generation(marts)
            found = read(_read_headline) | read(_read_months) | read(_read_segments)
            found |= read(_read_outcomes) | read(_read_curves) | read(_read_risks)
            found |= read(_read_quality)
    except duckdb.Error as error:
        raise UserError(f"{path}: can't be read for the report; run refresh again") from error
    return Facts(generation=generation, **found)


def _read_generation(marts: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    result = marts.execute("select * from marts._generation")
    names = [column[0] for column in result.description]
    return dict(zip(names, result.fetchall()[0], strict=True))


def _read_headline(marts: duckdb.DuckDBPyConnection, workspace: Workspace) -> dict[str, Any]:
    others = marts.execute(
        "select metric, survey_type, responses, nps, ci_low, ci_high from marts.fct_nps_by_period "
        f"where time_grain = 'all' and basis = 'responses' and not ({is_headline(workspace)}) "
        "order by metric, survey_type"
    ).fetchall()
    change = headline_change(marts, workspace)
    return {
        "headline": headline_cell(marts, workspace),
        "change": change,
        "splits": change_splits(marts, workspace, change),
        "others": others,
    }


def _read_months(marts: duckdb.DuckDBPyConnection, workspace: Workspace) -> dict[str, Any]:
    rows = marts.execute(
        "select period_start, nps, ci_low, ci_high, responses, "
        "period_end <= (select as_of_on from marts._generation) from marts.fct_nps_by_period "
        f"where time_grain = 'month' and basis = 'responses' and {is_headline(workspace)} "
        f"and responses > 0 order by period_start desc limit {TREND_MONTHS}"
    ).fetchall()
    by_month = {start: Figure(start.isoformat(), *rest) for start, *rest in reversed(rows)}
    months: list[Figure] = []
    if by_month:
        # A month without answers is a gap in the line, not a line drawn across it.
        month, last = min(by_month), max(by_month)
        while month <= last:
            months.append(by_month.get(month) or Figure(month.isoformat(), None, None, None, 0))
            month = date(month.year + month.month // 12, month.month % 12 + 1, 1)
    return {"months": months[-TREND_MONTHS:]}


def _read_segments(marts: duckdb.DuckDBPyConnection, workspace: Workspace) -> dict[str, Any]:
    rows = marts.execute(
        "select dimension, segment, nps, ci_low, ci_high, responses "
        "from marts.fct_nps_by_segment_period "
        f"where time_grain = 'all' and basis = 'responses' and {is_headline(workspace)} "
        "order by dimension, responses desc, segment"
    ).fetchall()
    grouped = {
        dimension: [Figure(display_text(segment), *rest) for _, segment, *rest in members]
        for dimension, members in itertools.groupby(rows, lambda row: row[0])
    }
    # Where every answer is unknown the dimension says nothing that the total does not.
    grouped = {name: members for name, members in grouped.items() if _known(members)}
    # The workspace's own segments first, in its order; then channel, touchpoint and survey.
    order = {name: place for place, name in enumerate(workspace.segments)}
    names = sorted(grouped, key=lambda name: (order.get(name, len(order)), name))
    return {
        "segments": {name: grouped[name] for name in names},
        "contrasts": contrasts(marts, workspace),
    }


def _known(figures: Iterable[Figure]) -> bool:
    return any(f.label != "(unknown)" for f in figures)


def _read_outcomes(marts: duckdb.DuckDBPyConnection, workspace: Workspace) -> dict[str, Any]:
    rows = marts.execute(
        "select nps_class, window_days, customers, observed, churned, churn_rate, ci_low, ci_high, "
        "active_mrr, realised_ltv, projected_ltv from marts.nps_outcomes_by_class "
        f"where dimension = 'all' and {is_headline(workspace)} order by window_days"
    ).fetchall()
    order = list(CLASSES)
    found = [Outcome(*row) for row in rows if row[0] in CLASSES]
    described = marts.execute(
        "select column_name, comment from duckdb_columns() where comment is not null "
        "and table_name = 'nps_outcomes_by_class' and column_name in "
        "('active_mrr', 'realised_ltv', 'projected_ltv') order by column_index"
    ).fetchall()
    return {
        "outcomes": sorted(found, key=lambda o: (o.window_days, order.index(o.nps_class))),
        "described": dict(described),
    }


def _read_curves(marts: duckdb.DuckDBPyConnection, workspace: Workspace) -> dict[str, Any]:
    """Curves of the headline, each customer once, down to the last day that enough are left."""
    rows = marts.execute(
        "select nps_class, days, at_risk, retention, ci_low, ci_high "
        "from marts.nps_retention_curves "
        "where basis = 'customers' and dimension = 'all' and retention is not null "
        f"and at_risk >= {workspace.min_group_size} and {is_headline(workspace)} "
        "order by nps_class, days"
    ).fetchall()
    grouped = {
        name: list(members)
        for name, members in itertools.groupby(rows, lambda row: row[0])
        if name in CLASSES
    }
    return {
        "curves": [
            Curve(
                name,
                tuple((days, kept, low, high) for _, days, _, kept, low, high in grouped[name]),
                records=grouped[name][0][2],
            )
            for name in CLASSES
            if name in grouped
        ]
    }


def _read_risks(marts: duckdb.DuckDBPyConnection, workspace: Workspace) -> dict[str, Any]:
    return {"risks": revenue_at_risk(marts, workspace)}


def _read_quality(marts: duckdb.DuckDBPyConnection, workspace: Workspace) -> dict[str, Any]:
    names = ("delivered", "accepted", "quarantined", "duplicate", "superseded", "deleted")
    sums = ", ".join(f"coalesce(sum(rows_{name}), 0)::bigint" for name in names)
    sources = marts.execute(
        f"select source, entity, count(*), {sums} from marts.ingest_reconciliation "
        "group by source, entity order by source, entity"
    ).fetchall()
    files = marts.execute(
        "select source, entity, file_name, coalesce(file_reason, '') "
        "from marts.ingest_reconciliation where file_status = 'quarantined' "
        f"order by source, entity, file_name limit {MOST_FILES}"
    ).fetchall()
    return {"sources": sources, "files": files, "quarantined": quarantined_files(marts)}


# --- the page -----------------------------------------------------------------------------------


def _page(workspace: Workspace, facts: Facts) -> str:
    """The whole page as HTML."""
    title = f"{headline_name(workspace)}, as of {_day(facts.generation['as_of_on'])}"
    sections = [
        _headline_section(workspace, facts),
        _trend_section(workspace, facts),
        _segment_section(workspace, facts),
        _churn_section(workspace, facts),
        _others_section(facts),
        _quality_section(facts),
        _about_section(workspace, facts),
    ]
    body = "\n".join(section for section in sections if section)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="referrer" content="no-referrer">
<meta name="color-scheme" content="light dark">
<title>{_told(title, 200)}</title>
<style>
{_style()}
</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""


def _headline_section(workspace: Workspace, facts: Facts) -> str:
    name = html.escape(headline_name(workspace))
    when = f"as of {_day(facts.generation['as_of_on'])}"
    cell = facts.headline
    if cell is None:
        return _intro(name, when, "No answers yet", "Deliver survey answers, then refresh.")
    c = cell
    if cell.nps is None:
        return _intro(
            name,
            when,
            "Too few answers for a score",
            f"{_many(c.responses, 'answer')} so far; a score is shown from "
            f"{workspace.min_group_size} on.",
        )
    interval = (
        f"95 % interval <b>{plain(cell.ci_low)} to {plain(cell.ci_high)}</b>, from "
        if cell.ci_low is not None and cell.ci_high is not None
        else "From "
    )
    return f"""<header>
<p class="over"><b>{name}</b> · all answers {when}</p>
<div class="hero">
<div>
<h1 aria-label="{name} {plain(cell.nps)}"><span class="score">{plain(cell.nps)}</span></h1>
<p class="lead">{interval}{_many(c.responses, "answer")}</p>
</div>
{_change_card(facts.change, facts.splits)}
</div>
{_shares(c.promoters, c.passives, c.detractors)}
</header>
{_standouts(facts)}"""


def _intro(name: str, when: str, heading: str, text: str) -> str:
    return (
        f'<header><p class="over"><b>{name}</b> · {when}</p>'
        f'<h1>{heading}</h1><p class="lead">{text}</p></header>'
    )


def _change_card(change: Comparison | None, splits: Sequence[Split]) -> str:
    """The last two complete quarters, in words a reader without statistics understands."""
    if change is None:
        text = "There are no two complete quarters or months to compare yet."
        return f'<div class="card"><h2>Change</h2><p>{text}</p></div>'
    names = period_names(change)
    if change.change is None or change.p_adjusted is None:
        text = f"{names[0]} and {names[1]}: too few answers in one of them to compare."
        return f'<div class="card"><h2>Change</h2><p>{text}</p></div>'
    tone = ("up" if change.change > 0 else "down") if change.is_significant else "flat"
    words = "A real change" if change.is_significant else "Could be chance"
    return f"""<div class="card {tone}">
<h2>Change, {names[0]} to {names[1]}</h2>
<p class="big">{_signed(change.change)} <span class="unit">points</span></p>
<p>From {plain(change.compared_nps)} ({_many(change.compared_responses, "customer")}) to
{plain(change.nps)} ({_many(change.responses, "customer")}).
<b>{words}</b> ({html.escape(p_words(change.p_adjusted))}).{_split_words(splits)}</p>
</div>"""


def _split_words(splits: Sequence[Split]) -> str:
    """What of the change is people answering otherwise, and what is other people answering."""
    if not splits:
        return ""
    split = splits[0]
    return (
        f" By {_told(split.dimension.replace('_', ' '))}, scores made {_signed(split.rate)} of it "
        f"and the mix {_signed(split.mix)}."
    )


def _shares(promoters: int, passives: int, detractors: int) -> str:
    """The three classes as one bar, each with its share in words below."""
    counts = {"promoter": promoters, "passive": passives, "detractor": detractors}
    total = sum(counts.values())
    if not total:
        return ""
    bars = "".join(
        f'<span class="{name}" style="flex-grow:{count}"></span>'
        for name, count in counts.items()
        if count
    )
    words = "".join(
        f'<li><i class="{name}"></i><b>{_percent(count / total)}</b> {CLASSES[name].lower()} '
        f'<span class="quiet">({count:,})</span></li>'
        for name, count in counts.items()
    )
    return f'<div class="bar" aria-hidden="true">{bars}</div><ul class="legend">{words}</ul>'


def _standouts(facts: Facts) -> str:
    """The segments that differ most from the rest, as sentences; only differences that are real."""
    found = facts.contrasts
    real = [c for c in found if c.is_significant][:3]
    if not found:
        return ""
    if not real:
        text = f"<p>None of {len(found):,} segments differs from the rest by more than chance.</p>"
    else:
        items = "".join(
            f"<li><b>{_told(c.segment)}</b> ({_told(c.dimension)}) scores "
            f"{plain(abs(c.change or 0.0))} points "
            f'<b class="{"good" if (c.change or 0.0) > 0 else "bad"}">'
            f"{'above' if (c.change or 0.0) > 0 else 'below'}</b> the rest: "
            f"{plain(c.nps)} against {plain(c.compared_nps)}, from "
            f"{_many(c.responses, 'customer')}.</li>"
            for c in real
        )
        text = (
            f"<ul class='plain'>{items}</ul><p class='quiet'>The most certain of {len(found):,} "
            "segments compared, allowing for all that were compared within a dimension.</p>"
        )
    return f"<section><h2>What stands out</h2>{text}</section>"


def _trend_section(workspace: Workspace, facts: Facts) -> str:
    months = facts.months
    if not months:
        return _empty("Trend by month", "No answers yet.")
    shown = [f for f in months if f.value is not None]
    if not shown:
        return _empty("Trend by month", "Every month has too few answers to show a score.")
    alt = (
        f"Score by month from {_month(shown[0].label)} ({plain(shown[0].value)}) to "
        f"{_month(shown[-1].label)} ({plain(shown[-1].value)}); lowest "
        f"{plain(min(f.value for f in shown if f.value is not None))}, highest "
        f"{plain(max(f.value for f in shown if f.value is not None))}."
    )
    drawings = _drawings(workspace)
    charts = {
        "wide": svg(drawings, "trend-wide", trend_spec, months, WIDE, 300),
        "narrow": svg(drawings, "trend-narrow", trend_spec, months, NARROW, 240),
    }
    notes = ["The band is the 95 % interval: the fewer answers, the wider."]
    if any(not f.complete for f in shown):
        notes.append("A hollow point is a month still running.")
    if len(shown) < len(months):
        notes.append("Gaps are months with no or too few answers.")
    if len(months) == TREND_MONTHS:
        notes.append(f"The last {TREND_MONTHS} months.")
    table = _table(
        ["Month", "Score", "95 % interval", "Answers"],
        [
            [_month(f.label), plain(f.value), _interval(f.low, f.high), f"{f.answers:,}"]
            for f in reversed(months)
        ],
    )
    return _section("Trend by month", _figure(charts, alt, " ".join(notes)) + _details(table))


def _segment_section(workspace: Workspace, facts: Facts) -> str:
    title = "Segments"
    if not any(facts.segments.values()):
        return _empty(title, "No segments yet.")
    drawn = {
        dimension: sorted(
            [f for f in figures if f.value is not None][:MOST_SEGMENTS],
            key=lambda f: -(f.value or 0),
        )
        for dimension, figures in facts.segments.items()
    }
    domain = domain_of(itertools.chain.from_iterable(drawn.values()))
    total = facts.headline.nps if facts.headline else None
    drawings = _drawings(workspace)
    parts = []
    for number, (dimension, figures) in enumerate(facts.segments.items()):
        heading = f"<h3>By {_told(dimension.replace('_', ' '))}</h3>"
        shown = drawn[dimension]
        hidden = sum(f.value is None for f in figures)
        more = len(figures) - hidden - len(shown)
        notes = []
        if hidden:
            few = f"fewer than {workspace.min_group_size} answers"
            notes.append(f"{_many(hidden, 'segment')} with {few} not drawn.")
        if more:
            notes.append(f"{_many(more, 'segment')} with fewer answers only in the numbers.")
        if not shown:
            parts.append(f"{heading}<p class='quiet'>{' '.join(notes)}</p>")
            continue
        alt = "; ".join(f"{f.label} {plain(f.value)} ({_interval(f.low, f.high)})" for f in shown)
        charts = {
            "wide": svg(drawings, f"s{number}-wide", dots_spec, shown, WIDE, domain, total),
            "narrow": svg(drawings, f"s{number}-narrow", dots_spec, shown, NARROW, domain, total),
        }
        table = _table(
            ["Segment", "Score", "95 % interval", "Answers"],
            [
                [
                    html.escape(f.label),
                    plain(f.value),
                    _interval(f.low, f.high),
                    f"{f.answers:,}",
                ]
                for f in figures
            ],
        )
        parts.append(heading + _figure(charts, alt, " ".join(notes)) + _details(table))
    lead = "Dots are scores, lines their 95 % intervals; the dashed line is the total."
    return _section(title, f"<p class='quiet'>{lead}</p>" + "".join(parts))


def _churn_section(workspace: Workspace, facts: Facts) -> str:
    title = "Churn after the answer"
    rated = [o for o in facts.outcomes if o.churn_rate is not None]
    if not facts.outcomes:
        return _empty(title, "No customers with answers yet.")
    if not rated:
        text = (
            "Not known yet: no source delivers when customers leave, or too few answers' windows "
            "are over."
        )
        return _section(title, f"<p>{text}</p>" + _money(workspace, facts))
    alt = "; ".join(
        f"{CLASSES[o.nps_class]} within {o.window_days} days: {_percent(o.churn_rate)}"
        for o in rated
    )
    drawings = _drawings(workspace)
    charts = {
        "wide": svg(drawings, "churn-wide", churn_spec, rated, WIDE),
        "narrow": svg(drawings, "churn-narrow", churn_spec, rated, NARROW),
    }
    present = [name for name in CLASSES if any(o.nps_class == name for o in rated)]
    legend = "".join(f'<li><i class="{name}"></i>{CLASSES[name]}</li>' for name in present)
    note = (
        "Share of answers whose customer left within so many days (of invitations, where there "
        "was no response), among those whose window is over. Lines are 95 % intervals."
    )
    table = _table(
        ["Class", "Window", "Churn", "95 % interval", "Left", "Observed", "Customers"],
        [
            [
                CLASSES[o.nps_class],
                f"{o.window_days} days",
                _percent(o.churn_rate),
                "–"
                if o.ci_low is None or o.ci_high is None
                else f"{_percent(o.ci_low)} to {_percent(o.ci_high)}",
                f"{o.churned:,}",
                f"{o.observed:,}",
                f"{o.customers:,}",
            ]
            for o in facts.outcomes
        ],
    )
    return _section(
        title,
        f'<ul class="legend">{legend}</ul>'
        + _figure(charts, alt, note)
        + _details(table)
        + _curves(workspace, facts)
        + _money(workspace, facts)
        + _risks(workspace, facts),
    )


def _curves(workspace: Workspace, facts: Facts) -> str:
    """How long customers stay, by the class of their first answer."""
    curves = [curve for curve in facts.curves if len(curve.points) > 1]
    if not curves:
        return ""
    ends = [(c, *c.points[-1]) for c in curves]
    alt = "; ".join(
        f"{CLASSES[c.nps_class]}: {_percent(kept)} after {days} days" for c, days, kept, *_ in ends
    )
    drawings = _drawings(workspace)
    charts = {
        "wide": svg(drawings, "curves-wide", curves_spec, curves, WIDE, 320),
        "narrow": svg(drawings, "curves-narrow", curves_spec, curves, NARROW, 260),
    }
    legend = "".join(
        f'<li><i class="{c.nps_class}"></i>{CLASSES[c.nps_class]}</li>' for c in curves
    )
    note = (
        "Share of customers who are still there so many days after their first answer (or "
        "unanswered invitation), Kaplan-Meier: who is still being watched counts as long as that "
        "lasts. Bands are 95 % intervals."
    )
    table = _table(
        ["Class", "Customers", "Followed for", "Still there", "95 % interval"],
        [
            [
                CLASSES[c.nps_class],
                f"{c.records:,}",
                f"{days} days",
                _percent(kept),
                "–" if low is None or high is None else f"{_percent(low)} to {_percent(high)}",
            ]
            for c, days, kept, low, high in ends
        ],
    )
    return (
        f'<h3>How long they stay</h3><ul class="legend">{legend}</ul>'
        + _figure(charts, alt, note)
        + _details(table)
    )


def _risks(workspace: Workspace, facts: Facts) -> str:
    """Revenue at risk and upside: the calculator's rule of thumb beside what was seen."""
    known = [risk for risk in facts.risks if risk.assumed_amount is not None]
    if not known:
        return ""
    table = _table(
        ["Figure", "Customers", "By rule", "Rate", "As observed", "Rate"],
        [
            [
                html.escape(
                    f"{display_text(r.figure).replace('_', ' ').capitalize()}, "
                    f"{CLASSES.get(r.nps_class, r.nps_class).lower()} in {r.horizon_days} days"
                ),
                f"{r.customers:,}",
                _amount(r.assumed_amount),
                _percent(r.assumed_rate),
                _amount(r.evidence_amount),
                _percent(r.observed_rate),
            ]
            for r in known
        ],
    )
    note = (
        f"A year's revenue in {html.escape(workspace.currency)}. By rule: customers × rate × what "
        "a customer pays on average. As observed: what these customers really pay × the rate "
        "seen in their class."
    )
    return f"<h3>Revenue at risk</h3>{table}<p class='quiet'>{note}</p>"


def _money(workspace: Workspace, facts: Facts) -> str:
    """What the classes are worth, projected by the churn of the window nearest to a year."""
    window = min({o.window_days for o in facts.outcomes}, key=lambda days: abs(days - 365))
    rows = [o for o in facts.outcomes if o.window_days == window]
    columns = {
        "active_mrr": "Active MRR",
        "realised_ltv": "Realised LTV",
        "projected_ltv": "Projected LTV",
    }
    known = [c for c in columns if any(getattr(o, c) is not None for o in rows)]
    if not known:
        return ""
    table = _table(
        ["Class", "Customers", *(f"{columns[c]}, {workspace.currency}" for c in known)],
        [
            [CLASSES[o.nps_class], f"{o.customers:,}", *(_amount(getattr(o, c)) for c in known)]
            for o in rows
        ],
    )
    notes = "".join(
        f"<li>{columns[c]}: {_told(facts.described[c].split(';')[0], 400)}</li>"
        for c in known
        if facts.described.get(c)
    )
    if "projected_ltv" in known:
        notes += f"<li>Projected LTV rests on the churn within {window} days.</li>"
    return f"<h3>Worth by class</h3>{table}" + (f"<ul class='notes'>{notes}</ul>" if notes else "")


def _others_section(facts: Facts) -> str:
    if not facts.others:
        return ""
    table = _table(
        ["Metric", "Survey type", "Value", "95 % interval", "Answers"],
        [
            [
                html.escape(metric_name(metric)),
                _told(kind),
                plain(value),
                _interval(low, high),
                f"{answers:,}",
            ]
            for metric, kind, answers, value, low, high in facts.others
        ],
        texts=2,
    )
    return _section("Other metrics", table)


def _quality_section(facts: Facts) -> str:
    title = "The data behind it"
    if not facts.sources:
        return _empty(title, "No files delivered yet.")
    delivered = sum(row[3] for row in facts.sources)
    quarantined = sum(row[5] for row in facts.sources)
    share = f" ({_percent(quarantined / delivered)})" if delivered and quarantined else ""
    lead = (
        f"<p>{_many(sum(row[2] for row in facts.sources), 'file')} with "
        f"{_many(delivered, 'row')} delivered; <b>{_many(quarantined, 'row')}</b>{share} set aside "
        "in quarantine with a reason each, for their owner to mend.</p>"
    )
    table = _table(
        ["Source", "Entity", "Files", "Delivered", "Accepted", "Quarantined", "Duplicate",
         "Superseded", "Deleted"],
        [
            [_told(source), _told(entity), *(f"{number:,}" for number in numbers)]
            for source, entity, *numbers in facts.sources
        ],
        texts=2,
    )  # fmt: skip
    files = ""
    if facts.quarantined:
        reasons = ", ".join(
            f"{_told(reason)} ({_many(count, 'file')})" for reason, count, _ in facts.quarantined
        )
        more = sum(count for _, count, _ in facts.quarantined) - len(facts.files)
        files = (
            f"<h3>Files set aside</h3><p>{reasons}</p>"
            + _table(
                ["Source", "Entity", "File", "Reason"],
                [[_told(cell, 80) for cell in row] for row in facts.files],
                texts=4,
            )
            + (f"<p class='quiet'>and {more:,} more</p>" if more > 0 else "")
        )
    return _section(title, lead + table + files)


def _about_section(workspace: Workspace, facts: Facts) -> str:
    g = facts.generation
    built = f"{g['built_at']:%Y-%m-%d %H:%M} UTC"
    items = {
        "As of": f"the end of {_day(g['as_of_on'])}, {_told(workspace.timezone)}",
        "Published": built,
        "Generation": f"<code>{_told(g['generation_id'], 80)}</code>",
        "Content": f"<code>{_told(g['content_hash'], 80)}</code>",
    }
    rows = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in items.items())
    return f"""<footer>
<h2>How to read this</h2>
<p>NPS is the share of promoters (9 and 10 on a scale of 0 to 10) minus the share of detractors
(0 to 6), from −100 to 100; passives count among the answers. Intervals are 95 % ones: adjusted
Wald for scores, Wilson for shares. What is called real is so at the
level that the project declares (<code>significance_level</code>), with all that was compared at
once allowed for. Figures of fewer than
{workspace.min_group_size} answers are not shown.</p>
<dl>{rows}</dl>
</footer>"""


# --- pieces of the page -------------------------------------------------------------------------


def _section(title: str, body: str) -> str:
    return f"<section><h2>{title}</h2>{body}</section>"


def _empty(title: str, text: str) -> str:
    return _section(title, f"<p class='quiet'>{text}</p>")


def _figure(charts: dict[str, str], alt: str, note: str) -> str:
    """A chart in its widths, with the same said in words for those who don't see it."""
    drawn = "".join(f'<div class="chart {width}">{svg}</div>' for width, svg in charts.items())
    caption = f"<figcaption>{note}</figcaption>" if note else ""
    return (
        f'<figure><div role="img" aria-label="{html.escape(alt)}">{drawn}</div>{caption}</figure>'
    )


def _details(table: str) -> str:
    return f"<details><summary>The numbers</summary>{table}</details>"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], texts: int = 1) -> str:
    """A table of cells already escaped; the first `texts` columns are text, the others numbers."""
    top = "".join(
        f'<th scope="col"{"" if i < texts else NUMBER_CELL}>{name}</th>'
        for i, name in enumerate(head)
    )
    body = "".join(
        "<tr>"
        + "".join(
            f"<td{'' if i < texts else NUMBER_CELL}>{cell}</td>" for i, cell in enumerate(row)
        )
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody>'
        "</table></div>"
    )


NUMBER_CELL = ' class="n"'


# --- words and numbers --------------------------------------------------------------------------


def _told(text: object, most: int = 60) -> str:
    """A user's text, made visible and escaped for HTML."""
    return html.escape(display_text(text, most))


def _signed(value: float) -> str:
    text = plain(value)
    return text if text.startswith("−") else f"+{text}"


def _amount(value: float | None) -> str:
    return plain(None if value is None else float(value), 0)


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{plain(100 * share)} %"


def _interval(low: float | None, high: float | None) -> str:
    return "–" if low is None or high is None else f"{plain(low)} to {plain(high)}"


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


MONTHS = [
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
]


def _day(day: date) -> str:
    """A day in words, whatever the machine's language: `31 December 2025`."""
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def _month(label: str) -> str:
    day = date.fromisoformat(label)
    return f"{MONTHS[day.month - 1]} {day.year}"


def _style() -> str:
    """The page's style; the dark theme overrides the charts' colours by their light value."""
    light = "".join(
        f"--{role.replace('_', '-')}:{colours[0]};" for role, colours in COLOURS.items()
    )
    dark = "".join(f"--{role.replace('_', '-')}:{colours[1]};" for role, colours in COLOURS.items())
    charts = "".join(
        f'.chart [{part}="{colours[0]}"]{{{part}:var(--{role.replace("_", "-")})}}'
        for role, colours in COLOURS.items()
        for part in ("fill", "stroke")
    )
    classes = "".join(f".{name}{{background:var(--{name.replace('_', '-')})}}" for name in CLASSES)
    return f"""
:root{{color-scheme:light dark;{light}--page:#f3f5f8}}
@media (prefers-color-scheme:dark){{:root{{{dark}--page:#10161d}}}}
{STYLE}{charts}{classes}"""


STYLE = """
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);line-height:1.5;
 font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans",sans-serif}
main{max-width:58rem;margin:0 auto;padding:1.5rem 1rem 4rem}
header,section,footer{background:var(--paper);border:1px solid var(--rule);border-radius:12px;
 padding:1.5rem;margin:0 0 1.25rem}
h1,h2,h3,p,ul,dl,figure{margin:0}
h1{font-size:2.2rem;line-height:1.15}
h2{font-size:1.2rem;margin-bottom:.6rem}
h3{font-size:1rem;margin:1.5rem 0 .4rem}
p+p,ul+p{margin-top:.6rem}
.over{color:var(--muted);margin-bottom:.75rem}
.over b{color:var(--ink)}
figcaption{margin-top:.5rem}
.hero{display:flex;flex-wrap:wrap;gap:1.25rem 2.5rem;align-items:center}
.hero>div{flex:1 1 16rem}
.score{font-size:clamp(4rem,14vw,6rem);font-weight:700;letter-spacing:-.03em;line-height:1}
.lead{color:var(--muted);font-size:1.05rem;margin-top:.4rem}
.lead b{color:var(--ink)}
.card{border-left:4px solid var(--muted);padding:.2rem 0 .2rem 1rem}
.card h2{font-size:.9rem;font-weight:600;color:var(--muted);margin:0}
.card.up{border-color:var(--promoter)}
.card.down{border-color:var(--detractor)}
.big{font-size:1.9rem;font-weight:700;line-height:1.3}
.unit{font-size:1rem;font-weight:400;color:var(--muted)}
.good{color:var(--promoter)}
.bad{color:var(--detractor)}
.quiet,figcaption,.notes{color:var(--muted);font-size:.9rem}
.bar{display:flex;gap:2px;height:14px;margin-top:1.5rem;border-radius:7px;overflow:hidden}
.bar span{min-width:2px}
.legend{list-style:none;padding:0;margin-top:.7rem;display:flex;flex-wrap:wrap;gap:.3rem 1.5rem}
.legend i{display:inline-block;width:.75em;height:.75em;border-radius:50%;margin-right:.5em}
.plain{padding-left:1.2rem}
.plain li+li{margin-top:.4rem}
.notes{padding-left:1.2rem;margin-top:.6rem}
figure{margin-top:.5rem}
.chart svg{display:block;max-width:100%;height:auto}
.narrow{display:none}
.narrow svg{width:100%;max-width:30rem}
@media (max-width:40rem){.wide{display:none}.narrow{display:block}
 main{padding:.75rem .5rem 3rem}header,section,footer{padding:1.1rem .9rem}}
details{margin-top:.6rem}
summary{cursor:pointer;color:var(--accent);font-size:.9rem}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;margin-top:.6rem;font-size:.9rem;
 font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.35rem .8rem .35rem 0;border-bottom:1px solid var(--rule);
 vertical-align:top}
th{color:var(--muted);font-weight:600}
.n{text-align:right;white-space:nowrap}
td:last-child,th:last-child{padding-right:0}
dl{display:grid;grid-template-columns:auto 1fr;gap:.2rem 1.2rem;margin-top:1rem;font-size:.9rem}
dt{color:var(--muted)}
dd{margin:0;overflow-wrap:anywhere}
code{font-size:.85em}
@media print{body{background:none}header,section,footer{break-inside:avoid}}
"""
