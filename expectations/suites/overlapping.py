"""Checks of scores by attributes of several values, whose segments overlap."""

from __future__ import annotations

from expectations import Check, no_rows
from expectations.suites.common import TOLERANCE, grains, keys, no_emails

_PERIOD = "time_grain, period_start, basis, metric, survey_type"

OVERLAPPING: dict[str, tuple[Check, ...]] = {
    "fct_nps_by_value_period": (
        keys(
            "keys",
            f"{_PERIOD}, dimension, segment",
            also=f"""
                t.period_end is null or t.period_end < t.period_start
                or t.time_grain not in ({grains("month", "quarter", "year", "all")})
                or t.basis not in ('responses', 'customers')
                or t.dimension not in (select attribute from raw.split_attributes)
                or least(t.promoters, t.passives, t.detractors) < 0 or t.responses < 1
                or t.responses is distinct from t.promoters + t.passives + t.detractors
                or not coalesce(t.shared_responses between 0 and t.responses, false)
                or (t.nps is null) <> t.is_suppressed
                or t.is_suppressed is distinct from
                    (t.responses < (select min_group_size from raw.workspace))
                or abs(t.nps - 100 * (t.promoters - t.detractors) / t.responses) > {TOLERANCE}""",
            scope="table",
            why="A value of an attribute has one row in a period, with the score of its answers, "
            "unless they are fewer than min_group_size.",
        ),
        no_rows(
            "overlap",
            f"""
            with summed as (
                select
                    {_PERIOD}, dimension,
                    sum(responses) as responses, sum(shared_responses) as shared_responses,
                    bool_or(parts_overlap) as is_any, bool_and(parts_overlap) as is_all
                from {{batch}}
                group by all
            )

            select 1
            from summed
            left join marts.fct_nps_by_period as total using ({_PERIOD.replace(" ", "")})
            where summed.is_any <> summed.is_all or summed.is_any <> (summed.shared_responses > 0)
                or total.responses is null
                -- an answer that is shared counts twice or more, every other one once
                or summed.responses - summed.shared_responses > total.responses
                or summed.responses < total.responses
                or (summed.responses = total.responses) <> (summed.shared_responses = 0)
            """,
            why="Every answer of a period counts in a segment, and in several only where the "
            "table says that its parts overlap.",
        ),
        no_emails(),
    ),
}
