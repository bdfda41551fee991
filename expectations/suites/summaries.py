"""Checks of scores that were made of delivered counts, without the answers behind them."""

from __future__ import annotations

from expectations import Check, no_rows
from expectations.suites.common import TOLERANCE, no_emails

# Periods of several lengths may begin on one day.
_KEY = "source, metric, survey_type, period_start, period_end, dimension, segment"

SUMMARIES: dict[str, tuple[Check, ...]] = {
    "nps_score_summaries": (
        no_rows(
            "keys",
            f"""
            select 1 from {{batch}}
            group by {_KEY}
            having count(*) > 1
            union all
            select 1 from {{batch}} as t
            where
                t.source is null or t.metric is null or t.survey_type is null
                or t.period_start is null or t.dimension is null or t.segment is null
            """,
            why="A delivered count of a metric, period and segment has one row.",
        ),
        no_rows(
            "figures",
            f"""
            select 1 from {{batch}} as t
            where
                t.period_end < t.period_start
                or least(t.promoters, t.passives, t.detractors) < 0 or t.responses < 1
                or t.responses is distinct from t.promoters + t.passives + t.detractors
                or (t.nps is null) <> t.is_suppressed
                or t.is_suppressed is distinct from
                    (t.responses < (select min_group_size from raw.workspace))
                or abs(t.nps - 100 * (t.promoters - t.detractors) / t.responses) > {TOLERANCE}
                or t.nps is not null
                    and not coalesce(t.ci_low < t.ci_high and t.standard_error > 0, false)
            """,
            why="A count has the score of its classes and an interval, unless it has fewer "
            "answers than min_group_size.",
        ),
        no_emails(),
    ),
}
