"""Every query of the summary and the report: figures come from the published file, by SQL.

Each function takes a connection whose default database holds the schema `marts`, see
`open_published`, and raises `duckdb.CatalogException` where the database lacks its table.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import duckdb

from orchestration.core.errors import UserError
from orchestration.core.files import reason_of
from orchestration.core.sql import literal
from orchestration.publish.generation import MARTS, read_generation
from orchestration.report.figures import (
    CLASSES,
    Comparison,
    Curve,
    Driver,
    EventEffect,
    Headline,
    MatchRate,
    OtherMetric,
    Outcome,
    PageFigures,
    QuarantinedFile,
    QuarantinedFiles,
    Reading,
    RecentChange,
    Risk,
    Score,
    SourceRows,
    Split,
    Theme,
    WindowChange,
)
from orchestration.report.follow_ups import follow_ups
from orchestration.report.formatting import display_text
from orchestration.report.terms import emerging_words
from orchestration.workspace.segments import published_name

if TYPE_CHECKING:
    from orchestration.workspace.model import Workspace

TREND_MONTHS = 36  # the most recent; older ones stay in the published tables
MOST_FILES = 20
# the grains of a change, the longer first, with how many of their latest periods are looked through
RECENT_PERIODS = {"quarter": 8, "month": 12}
MONEY = ("active_mrr", "realised_ltv", "projected_ltv")
UNKNOWN = "(unknown)"

_COMPARISON = (
    "dimension, segment, time_grain, period_start, compared_period_start, responses, nps, "
    "compared_responses, compared_nps, change, p_adjusted, is_significant, detectable_change"
)
_HEADLINE = (
    "declared_window_days, window_days, starts_on, ends_on, responses, promoters, passives, "
    "detractors, nps, ci_low, ci_high, answers, effective_voices, is_carried_by_few, "
    "significance_level, weighted_by, weighted_nps, all_time_responses, all_time_nps, "
    "all_time_ci_low, all_time_ci_high"
)
_WINDOW_CHANGE = (
    "ends_on, responses, nps, change, p_value, is_significant, untested_because, detectable_change"
)

Marts = duckdb.DuckDBPyConnection


def read_page_figures(marts: Marts, workspace: Workspace) -> PageFigures:
    """Read everything the page shows; what the database lacks stays empty."""

    def found(default: Any, query: Callable[..., Any], *arguments: Any) -> Any:
        with suppress(duckdb.CatalogException):
            return query(marts, *arguments)
        return default

    change = found(None, headline_change, workspace)
    recent = found([], recent_changes, workspace)
    months = found([], monthly_scores, workspace)
    return PageFigures(
        generation=generation_row(marts),
        headline=found(None, headline, workspace),
        change=change,
        recent=recent,
        splits=found([], change_splits, workspace, recent[0].change if recent else change),
        months=months,
        events=found([], event_effects, workspace, months),
        segments=found({}, segment_scores, workspace),
        contrasts=found([], contrasts, workspace),
        themes=found([], moving_themes, workspace),
        terms=found(None, emerging_words, workspace),
        follow_ups=found([], follow_ups, workspace),
        outcomes=found([], outcomes, workspace),
        curves=found([], retention_curves, workspace),
        risks=found([], revenue_at_risk, workspace),
        others=found([], other_metrics, workspace),
        sources=found([], source_rows),
        quarantined=found([], quarantined_files),
        files=found([], first_quarantined_files),
    )


def generation_row(marts: Marts) -> dict[str, Any]:
    """The one row of `_generation`, by column."""
    result = marts.execute("select * from marts._generation")
    names = [column[0] for column in result.description]
    return dict(zip(names, result.fetchall()[0], strict=True))


def published_generation(workspace: Workspace) -> dict[str, Any] | None:
    """The row of the generation that BI sees now, with its age_seconds; None: there is none.

    Raises:
        UserError: the published file is there but can't be read.
    """
    path = workspace.published / MARTS.file_name
    if not path.exists():
        return None
    try:
        row = read_generation(path, MARTS.schema)
    except duckdb.Error as error:
        raise UserError(
            f"{path}: can't be read ({reason_of(error)}); run `nps run --force` to publish again"
        ) from error
    age = datetime.now(UTC) - row["built_at"]
    return row | {"age_seconds": max(0, round(age.total_seconds()))}


# --- the headline and its change ----------------------------------------------------------------


def is_headline(workspace: Workspace) -> str:
    """The SQL condition that a row is of the headline's metric and survey type."""
    return workspace.headline.condition


def headline(marts: Marts, workspace: Workspace) -> Headline | None:
    """The headline figure with its changes, or None without any answer."""
    comparisons = ("previous_window", "year_before")
    names = [name.strip() for name in _WINDOW_CHANGE.split(",")]
    columns = [f"{comparison}_{name}" for comparison in comparisons for name in names]
    row = marts.execute(
        f"select {_HEADLINE}, {', '.join(columns)} from marts.nps_headline "
        f"where {is_headline(workspace)}"
    ).fetchone()
    if row is None:
        return None
    size = len(names)
    own, others = row[: -2 * size], (row[-2 * size : -size], row[-size:])
    changes = (WindowChange(*pair) for pair in _labelled(comparisons, others))
    return Headline(*own, changes=tuple(changes))


def _labelled(names: tuple[str, ...], rows: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    return [(name, *row) for name, row in zip(names, rows, strict=True)]


def other_metrics(marts: Marts, workspace: Workspace) -> list[OtherMetric]:
    """Every other metric and survey type in its latest window, each customer once."""
    rows = marts.execute(
        "select metric, survey_type, window_days, responses, nps, ci_low, ci_high "
        f"from marts.nps_headline where not ({is_headline(workspace)}) order by metric, survey_type"
    ).fetchall()
    return [OtherMetric(*row) for row in rows]


def headline_change(marts: Marts, workspace: Workspace) -> Comparison | None:
    """The last complete period with answers against the one before: quarters, else months."""
    periods = _compared_periods(marts, workspace)
    return periods[0] if periods else None


def recent_changes(marts: Marts, workspace: Workspace) -> list[RecentChange]:
    """The real changes among the latest complete periods, the newest first.

    Who looks through several periods finds one by chance more often: p counts times their number
    (Bonferroni).
    """
    periods = [c for c in _compared_periods(marts, workspace) if c.p_adjusted is not None]
    row = marts.execute(
        f"select significance_level from marts.nps_headline where {is_headline(workspace)}"
    ).fetchone()
    level = row[0] if row else 0.0
    return [
        RecentChange(change, change_driver(marts, workspace, change))
        for change in periods
        if (change.p_adjusted or 0.0) * len(periods) <= level
    ]


def _compared_periods(marts: Marts, workspace: Workspace) -> list[Comparison]:
    """The headline's latest complete periods that have one before them, the newest first."""
    for grain, most in RECENT_PERIODS.items():
        rows = marts.execute(
            f"select {_COMPARISON} from marts.nps_change_significance "
            f"where {_against_previous(workspace, grain)} and dimension = 'all' "
            f"order by period_start desc limit {most}"
        ).fetchall()
        if rows:
            return [Comparison(*row) for row in rows]
    return []


def change_splits(marts: Marts, workspace: Workspace, change: Comparison | None) -> list[Split]:
    """A change of the headline split into rate and mix by each dimension, the largest mix first.

    Dimensions whose weights did not change are skipped: all of the change is their rate.
    """
    if change is None or change.change is None:
        return []
    rows = marts.execute(
        "select dimension, sum(rate_effect), sum(mix_effect) from marts.nps_change_significance "
        f"where {_of_period(workspace, change)} and dimension <> 'all' group by dimension "
        # a mix effect that is shown as 0.0 says nothing
        "having round(abs(sum(mix_effect)), 1) > 0 order by abs(sum(mix_effect)) desc, dimension"
    ).fetchall()
    return [Split(*row) for row in rows]


def change_driver(marts: Marts, workspace: Workspace, change: Comparison | None) -> Driver | None:
    """The segment whose score made most of a real change of the headline, beyond its share.

    A segment's score is expected to make its share of the change: what it makes beyond that
    distinguishes the segment that moved from one that is merely large.
    """
    if change is None or change.change is None or not change.is_significant:
        return None
    row = marts.execute(
        "with segments as (select dimension, segment, compared_nps, nps, rate_effect, "
        "(rate_effect - (responses / $responses + compared_responses / $compared) / 2 * $change) "
        "* sign($change) as beyond from marts.nps_change_significance "
        f"where {_of_period(workspace, change)} and dimension <> 'all' "
        f"and segment <> {literal(UNKNOWN)} and nps is not null and compared_nps is not null) "
        "select dimension, segment, compared_nps, nps, rate_effect from segments "
        "where round(beyond, 1) > 0 order by beyond desc, dimension, segment limit 1",
        {
            "responses": float(change.responses),
            "compared": float(change.compared_responses),
            "change": change.change,
        },
    ).fetchone()
    return Driver(*row) if row else None


def _against_previous(workspace: Workspace, grain: str) -> str:
    """The SQL condition of the headline's complete periods against the ones before them."""
    return (
        f"comparison = 'previous_period' and time_grain = {literal(grain)} "
        f"and basis = 'customers' and is_complete and {is_headline(workspace)}"
    )


def _of_period(workspace: Workspace, change: Comparison) -> str:
    """The SQL condition of the period of a change."""
    start = literal(change.period_start.isoformat())
    return f"{_against_previous(workspace, change.time_grain)} and period_start = date {start}"


def moving_themes(marts: Marts, workspace: Workspace, most: int = 3) -> list[Theme]:
    """The themes that move the headline's latest complete quarter most, else the latest month."""
    for grain in RECENT_PERIODS:
        rows = marts.execute(
            "select theme, time_grain, period_start, compared_period_start, responses, nps, "
            "impact, impact_ci_low, impact_ci_high, impact_change, is_significant "
            "from marts.nps_themes_by_period "
            f"where time_grain = {literal(grain)} and basis = 'customers' and is_complete "
            f"and {is_headline(workspace)} and dimension = 'all' and impact is not null "
            "and responses > 0 qualify dense_rank() over (order by period_start desc) = 1 "
            f"order by abs(impact) desc, theme limit {most}"
        ).fetchall()
        if rows:
            return [Theme(*row) for row in rows]
    return []


# --- months and segments ------------------------------------------------------------------------


def monthly_scores(marts: Marts, workspace: Workspace) -> list[Score]:
    """The score by month, each customer once, oldest first.

    A month without answers is there, without a value.
    """
    rows = marts.execute(
        "select period_start, nps, ci_low, ci_high, responses, "
        "period_end <= (select as_of_on from marts._generation) from marts.fct_nps_by_period "
        f"where time_grain = 'month' and basis = 'customers' and {is_headline(workspace)} "
        f"and responses > 0 order by period_start desc limit {TREND_MONTHS}"
    ).fetchall()
    by_month = {start: Score(start.isoformat(), *rest) for start, *rest in rows}
    months: list[Score] = []
    if by_month:
        # A month without answers is a gap in the line, not a line drawn across it.
        month, last = min(by_month), max(by_month)
        while month <= last:
            months.append(by_month.get(month) or Score(month.isoformat(), None, None, None, 0))
            month = date(month.year + month.month // 12, month.month % 12 + 1, 1)
    return months[-TREND_MONTHS:]


def event_effects(marts: Marts, workspace: Workspace, months: list[Score]) -> list[EventEffect]:
    """What happened within the months of a trend, oldest first."""
    rows = marts.execute(
        "select event, happened_on, nullif(segment, 'all'), effect, ci_low, ci_high "
        f"from marts.nps_event_effects where {is_headline(workspace)} order by happened_on, event"
    ).fetchall()
    first = months[0].label if months else ""
    return [EventEffect(*row) for row in rows if row[1].isoformat() >= first]


def segment_scores(marts: Marts, workspace: Workspace) -> dict[str, list[Score]]:
    """The score by dimension and segment, each customer's latest answer, the largest first.

    The workspace's own segments come first, in its order. A dimension whose answers are all of
    unknown segment is skipped: it repeats the total.
    """
    rows = marts.execute(
        "select dimension, segment, nps, ci_low, ci_high, responses "
        "from marts.fct_nps_by_segment_period "
        f"where time_grain = 'all' and basis = 'customers' and {is_headline(workspace)} "
        "order by dimension, responses desc, segment"
    ).fetchall()
    grouped = {
        dimension: [Score(display_text(segment), *rest) for _, segment, *rest in members]
        for dimension, members in itertools.groupby(rows, lambda row: row[0])
    }
    known = {
        name: scores
        for name, scores in grouped.items()
        if any(score.label != UNKNOWN for score in scores)
    }
    order = {published_name(name): place for place, name in enumerate(workspace.segments)}
    names = sorted(known, key=lambda name: (order.get(name, len(order)), name))
    return {name: known[name] for name in names}


def contrasts(marts: Marts, workspace: Workspace) -> list[Comparison]:
    """Every segment against the rest of its dimension over all time, the most different first.

    Each customer counts once. A segment is skipped where it or the rest is too small to show:
    the difference would reveal the smaller; so is one that nobody knows. Of a dimension with two
    segments one is kept, since the other is its mirror.
    """
    rows = marts.execute(
        f"""
        with cells as (
            select
                *,
                count(*) over (partition by dimension) as segments,
                row_number() over (partition by dimension order by z is null, segment) as place
            from marts.nps_change_significance
            where comparison = 'rest_of_dimension' and time_grain = 'all'
                and basis = 'customers' and segment <> {literal(UNKNOWN)}
                and {is_headline(workspace)}
        )
        select {_COMPARISON} from cells
        where z is not null and (segments > 2 or place = 1)
        order by abs(z) desc, dimension, segment
        """
    ).fetchall()
    return [Comparison(*row) for row in rows]


# --- what became of customers -------------------------------------------------------------------


def outcomes(marts: Marts, workspace: Workspace) -> list[Outcome]:
    """Churn and money by window and class of the headline, each customer once."""
    rows = marts.execute(
        "select nps_class, window_days, customers, observed, churned, churn_rate, ci_low, ci_high, "
        f"{', '.join(MONEY)}, projected_ltv_low, projected_ltv_high, ltv_window_days "
        "from marts.nps_outcomes_by_class where basis = 'customers' and dimension = 'all' "
        f"and {is_headline(workspace)} order by window_days"
    ).fetchall()
    order = list(CLASSES)
    found = [Outcome(*row) for row in rows if row[0] in CLASSES]
    return sorted(found, key=lambda o: (o.window_days, order.index(o.nps_class)))


def retention_curves(marts: Marts, workspace: Workspace) -> list[Curve]:
    """Curves of the headline, each customer once, down to the last day that enough are left."""
    rows = marts.execute(
        "select nps_class, days, at_risk, retention, ci_low, ci_high "
        "from marts.nps_retention_curves where basis = 'customers' and dimension = 'all' "
        f"and retention is not null and not is_few_at_risk and {is_headline(workspace)} "
        "order by nps_class, days"
    ).fetchall()
    read = marts.execute(
        "select nps_class, window_days, at_risk, retention, ci_low, ci_high, restricted_mean_days "
        "from marts.nps_retention_by_window where basis = 'customers' and dimension = 'all' "
        f"and {is_headline(workspace)} order by nps_class, window_days"
    ).fetchall()
    grouped = {name: list(days) for name, days in itertools.groupby(rows, lambda row: row[0])}
    return [
        Curve(
            name,
            tuple((days, kept, low, high) for _, days, _, kept, low, high in grouped[name]),
            records=grouped[name][0][2],
            readings=tuple(Reading(*row[1:]) for row in read if row[0] == name),
        )
        for name in CLASSES
        if name in grouped
    ]


def revenue_at_risk(marts: Marts, workspace: Workspace) -> list[Risk]:
    """The headline's figures of revenue at risk and upside, the nearest horizon first."""
    rows = marts.execute(
        "select figure, nps_class, horizon_days, priced_customers, assumed_rate, assumed_amount, "
        "observed_rate, evidence_amount from marts.nps_revenue_at_risk "
        f"where dimension = 'all' and {is_headline(workspace)} order by horizon_days, figure"
    ).fetchall()
    return [Risk(*row) for row in rows]


# --- files, rows and quarantine -----------------------------------------------------------------


def match_rates(marts: Marts) -> list[MatchRate]:
    """How many of each entry's customer ids and addresses are those of delivered customers."""
    rows = marts.execute(
        "select source, entity, column_name, customer_source, ids_delivered, ids_known "
        "from marts.ingest_match_rates where ids_delivered > 0 "
        "order by source, entity, column_name"
    ).fetchall()
    return [MatchRate(*row) for row in rows]


def assumed_zones(marts: Marts) -> list[tuple[str, str]]:
    """The time zones that had to be assumed, each with a source whose times name none."""
    return marts.execute(
        "select distinct assumed_timezone, source || '/' || entity "
        "from marts.ingest_reconciliation where assumed_timezone is not null order by 1, 2"
    ).fetchall()


def undated_leavers(marts: Marts) -> tuple[int, int]:
    """Customers who have left nobody knows when, and those of whom a status alone tells."""
    (row,) = marts.execute(
        "select count(*) filter (not is_active), count(*) from marts.dim_customers "
        "where not has_churn_information and is_active is not null"
    ).fetchall()
    return row


def source_rows(marts: Marts) -> list[SourceRows]:
    """Files and rows by source and entity."""
    fates = ("accepted", "quarantined", "duplicate", "superseded", "deleted", "excluded")
    names = ("delivered", *fates)
    sums = ", ".join(f"coalesce(sum(rows_{name}), 0)::bigint" for name in names)
    rows = marts.execute(
        f"select source, entity, count(*), {sums} from marts.ingest_reconciliation "
        "group by source, entity order by source, entity"
    ).fetchall()
    return [SourceRows(*row) for row in rows]


def quarantined_files(marts: Marts) -> list[QuarantinedFiles]:
    """Quarantined files by reason, the most files first."""
    rows = marts.execute(
        "select coalesce(file_reason, '(no reason)') as reason, count(*) as files, "
        "coalesce(sum(rows_delivered), 0)::bigint from marts.ingest_reconciliation "
        "where file_status = 'quarantined' group by reason order by files desc, reason"
    ).fetchall()
    return [QuarantinedFiles(*row) for row in rows]


def first_quarantined_files(marts: Marts) -> list[QuarantinedFile]:
    """The first quarantined files by name, at most `MOST_FILES`."""
    rows = marts.execute(
        "select source, entity, file_name, coalesce(file_reason, '') "
        "from marts.ingest_reconciliation where file_status = 'quarantined' "
        f"order by source, entity, file_name limit {MOST_FILES}"
    ).fetchall()
    return [QuarantinedFile(*row) for row in rows]


def quarantined_rows(restricted: duckdb.DuckDBPyConnection) -> list[tuple[str, int]]:
    """(reason, rows) of quarantined rows, the most rows first, from the restricted file."""
    return restricted.execute(
        "select coalesce(reason, '(no reason)') as why, count(*) as n "
        "from restricted.quarantined_rows group by why order by n desc, why"
    ).fetchall()


def people_to_call(restricted: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    """How many customers are to be called today, and how many of them should have been already."""
    (found,) = restricted.execute(
        "select count(*), count(*) filter (sla_state = 'overdue') "
        "from restricted.nps_actions where action = 'recover'"
    ).fetchall()
    return found
