"""Checks of eNPS by department: what is withheld must not follow from what is shown."""

from __future__ import annotations

from expectations import Check, no_rows
from expectations.suites.common import TOLERANCE, keys, no_emails

EMPLOYEES: dict[str, tuple[Check, ...]] = {
    "enps_by_department": (
        keys(
            "keys",
            "metric, survey_type, period_start, department",
            also="""
                t.metric not in (select metric from seeds.metrics where population = 'employees')
                or t.time_grain is distinct from 'quarter'
                or t.period_end >= t.period_start + interval 93 days
                or not coalesce(t.period_end <= (select as_of_on from raw.workspace), false)""",
            scope="table",
            why="A department has one row for each metric of employees and quarter that is over.",
        ),
        no_rows(
            "figures",
            f"""
            select 1 from {{batch}} as t cross join raw.workspace as w
            where t.is_suppressed is null
                or (t.is_suppressed and coalesce(
                    t.responses, t.promoters, t.passives, t.detractors, t.nps, t.standard_error,
                    t.ci_low, t.ci_high
                ) is not null)
                or (not t.is_suppressed and not coalesce(
                    t.responses >= w.min_group_size
                    and least(t.promoters, t.passives, t.detractors) >= 0
                    and t.responses = t.promoters + t.passives + t.detractors
                    and abs(t.nps - 100.0 * (t.promoters - t.detractors) / t.responses)
                        <= {TOLERANCE}
                    and t.standard_error > 0
                    and -100 <= t.ci_low and t.ci_low < t.ci_high and t.ci_high <= 100, false
                ))
            """,
            why="A withheld department shows nothing, not even how many answered; another one has "
            "at least min_group_size answers, the score of its classes and an interval.",
        ),
        no_rows(
            "hidden",
            """
            select 1
            from (
                select
                    metric, survey_type, period_start,
                    count(*) filter (is_suppressed) as withheld,
                    count(*) filter (not is_suppressed) as shown,
                    min(responses) as least_shown,
                    coalesce(sum(responses), 0) as responses,
                    coalesce(sum(promoters), 0) as promoters,
                    coalesce(sum(passives), 0) as passives,
                    coalesce(sum(detractors), 0) as detractors
                from {batch}
                group by all
            ) as t
            cross join raw.workspace as w
            left join marts.fct_nps_by_period as p
                on t.metric = p.metric and t.survey_type = p.survey_type
                and t.period_start = p.period_start
                and p.time_grain = 'quarter' and p.basis = 'customers'
            where p.responses is null
                or t.responses > p.responses
                or t.withheld = 1
                or (t.withheld > 0 and t.shown > 0 and (
                    p.responses - t.responses <= w.min_group_size
                    or t.least_shown <= w.min_group_size
                    or greatest(
                        p.promoters - t.promoters, p.passives - t.passives,
                        p.detractors - t.detractors
                    ) = p.responses - t.responses
                ))
            """,
            why="What the total leaves for withheld departments is a group of several departments "
            "and classes, so that none of them follows from the others.",
        ),
        no_emails(),
    ),
}
