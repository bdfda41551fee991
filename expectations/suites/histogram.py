"""Checks of the histogram of scores: its bars are those of the published scores."""

from __future__ import annotations

from expectations import Check, no_rows
from expectations.suites.common import TOLERANCE, grains, keys, no_emails

_COUNTS = ("responses", "promoters", "passives", "detractors")
_PERIOD = "time_grain, period_start, basis, metric, survey_type"

_differ = " or ".join(f"a.{count} is distinct from b.{count}" for count in _COUNTS)

HISTOGRAM: dict[str, tuple[Check, ...]] = {
    "fct_nps_score_histogram": (
        keys(
            "keys",
            f"{_PERIOD}, dimension, segment, score, nps_class",
            also=f"""
                t.period_end is null or t.period_end < t.period_start
                or t.time_grain not in ({grains("month", "quarter", "year", "all")})
                or t.basis not in ('responses', 'customers')
                or t.responses is null or not t.responses between 1 and t.cell_responses
                or (t.share is null) <> t.is_suppressed
                or abs(t.share * t.cell_responses - t.responses) > {TOLERANCE}""",
            why="A score that was given in a cell has one row, with its share of the cell.",
        ),
        no_rows(
            "classes",
            """
            select 1 from {batch} as t
            left join (select distinct metric, score, nps_class from seeds.metric_scales) as s
                on t.metric = s.metric and t.score = s.score and t.nps_class = s.nps_class
            where s.metric is null
            """,
            scope="rows",
            why="Every score is on a scale of its metric, in its class.",
        ),
        no_rows(
            "adds_up",
            f"""
            with cells as (
                select {_PERIOD}, 'all' as dimension, 'all' as segment, {", ".join(_COUNTS)}
                from marts.fct_nps_by_period
                union all
                select {_PERIOD}, dimension, segment, {", ".join(_COUNTS)}
                from marts.fct_nps_by_segment_period
            ),

            bars as (
                select
                    {_PERIOD}, dimension, segment,
                    sum(t.responses) as responses,
                    coalesce(sum(t.responses) filter (s.contribution > 0), 0) as promoters,
                    coalesce(sum(t.responses) filter (s.contribution = 0), 0) as passives,
                    coalesce(sum(t.responses) filter (s.contribution < 0), 0) as detractors,
                    min(t.cell_responses) as least,
                    max(t.cell_responses) as most,
                    bool_or(t.is_suppressed) is distinct from
                        (sum(t.responses) < any_value(w.min_group_size)) as is_misjudged
                from {{batch}} as t
                cross join raw.workspace as w
                left join (
                    select distinct metric, nps_class, contribution from seeds.metric_scales
                ) as s using (metric, nps_class)
                group by all
            )

            select 1
            from (select * from cells where time_grain not in ('day', 'week')) as a
            full join bars as b using ({_PERIOD}, dimension, segment)
            where {_differ} or b.is_misjudged
                or b.least is distinct from a.responses or b.most is distinct from a.responses
            """,
            why="In both bases the scores of every cell add up to its promoters, passives and "
            "detractors.",
        ),
        no_emails(
            "time_grain, period_start, period_end, basis, score, responses, cell_responses",
            "share, is_suppressed",
        ),
    ),
}
