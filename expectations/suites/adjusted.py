"""Checks of comparisons that adjust: stratified log-rank tests, hazard ratios, key drivers.

Estimates that no query repeats are held to what must be true of any: counts, bounds, sums.
"""

from __future__ import annotations

from expectations import Check, no_rows
from expectations.suites.common import MOMENT, TOLERANCE, corrected, keys, p_value_is_wrong

_PAIR = "basis, metric, survey_type, dimension, nps_class, compared_class"

_STRATIFIED = (
    keys(
        "keys",
        _PAIR,
        also="""
            t.nps_class >= t.compared_class
            or t.dimension not in (select published_name from raw.segments)""",
        why="A pair of classes has one row per dimension, in either order.",
    ),
    no_rows(
        "strata",
        f"""
        with strata as (
            select
                {_PAIR},
                count(*) as strata,
                count(*) filter (is_suppressed) as suppressed,
                sum(records) as records,
                sum(compared_records) as compared_records,
                sum(churned) as churned,
                sum(compared_churned) as compared_churned,
                sum(expected_churned) as expected_churned,
                count(chi_squared) as tested,
                -- from the test of a segment its variance, where there was a difference
                count(*) filter (chi_squared > 0) as differing,
                sum(power(churned - expected_churned, 2) / nullif(chi_squared, 0)) as variance
            from marts.nps_retention_tests
            where dimension <> 'all'
            group by all
        )

        select 1
        from {{batch}} as t
        full join strata as e using ({_PAIR})
        cross join raw.workspace as w
        where t.strata is distinct from e.strata
            or t.records is distinct from e.records
            or t.compared_records is distinct from e.compared_records
            or t.churned is distinct from e.churned
            or t.compared_churned is distinct from e.compared_churned
            or t.compared_strata < e.tested or t.compared_strata > t.strata
            or t.is_suppressed is distinct from (
                least(e.records, e.compared_records) < w.min_group_size
            )
            or (t.is_suppressed and coalesce(t.expected_churned, t.chi_squared) is not null)
            or (e.suppressed = 0 and not t.is_suppressed and (
                t.expected_churned is null
                or abs(t.expected_churned - e.expected_churned) > {TOLERANCE} * (1 + t.churned)
                or (t.chi_squared is null) <> (t.compared_strata = 0)
                or (e.differing = e.tested and abs(
                    t.chi_squared * e.variance - power(t.churned - t.expected_churned, 2)
                ) > {TOLERANCE} * (1 + e.variance))
            ))
            or (t.chi_squared is null) <> (t.p_value is null)
            or {p_value_is_wrong("sqrt(t.chi_squared)")}
        """,
        why="What is observed, expected and its variance add up over the segments, in which both "
        "classes are compared.",
    ),
    corrected("basis, metric, survey_type, dimension"),
)

_ADJUSTED = (
    keys(
        "keys",
        "metric, survey_type, kind, covariate, level",
        also="""
            t.kind not in ('class', 'segment', 'number')
            or (t.kind = 'class' and t.level not in (select nps_class from seeds.metric_scales))
            or (t.kind = 'segment' and t.covariate not in (
                select published_name from raw.segments
            ))""",
        why="A term of a model has one row: a class, a segment's value or a number.",
    ),
    no_rows(
        "figures",
        f"""
        select 1
        from {{batch}} as t
        cross join (select value as z from seeds.assumptions where name = 'confidence_z') as a
        cross join (
            select value as least_churned from seeds.assumptions
            where name = 'min_per_coefficient'
        )
        where (t.hazard_ratio is null) <> (t.unknown_because is not null)
            or t.unknown_because not in ('too_few_churned', 'collinear', 'not_converged')
            or (t.hazard_ratio is null) <> (t.ci_low is null)
            or (t.hazard_ratio is null) <> (t.ci_high is null)
            or (t.hazard_ratio is null) <> (t.p_value is null)
            or t.hazard_ratio < 0 or not (t.ci_low <= t.hazard_ratio)
            or not (t.hazard_ratio <= t.ci_high)
            -- symmetric on the logarithm; of a very small ratio more of the nine digits is rounding
            or (t.ci_low > 0.001 and (
                abs(ln(t.ci_low) + ln(t.ci_high) - 2 * ln(t.hazard_ratio)) > {TOLERANCE} * 10
                or abs(t.z * (ln(t.ci_high) - ln(t.hazard_ratio)) / a.z - ln(t.hazard_ratio))
                    > {TOLERANCE} * 10 * (1 + abs(t.z))
            ))
            or (t.hazard_ratio is not null and t.kind = 'class' and t.churned < least_churned)
            or t.concordance not between 0 and 1
            or t.proportionality_p_value not between 0 and 1
            or t.model_proportionality_p_value not between 0 and 1
            or {p_value_is_wrong("abs(t.z)")}
        """,
        why="A hazard ratio lies within its interval, which is symmetric on the logarithm, and p "
        "follows from it; an unknown one is NULL with a reason.",
    ),
    no_rows(
        "of_the_facts",
        f"""
        with firsts as (
            select
                metric, survey_type, customer_key,
                arg_min(response_key, {MOMENT}) as response_key
            from marts.fct_nps_responses
            where customer_key is not null
            group by metric, survey_type, customer_key
        ),

        expected as (
            select
                f.metric, f.survey_type, count(*) as customers,
                count(*) filter (c.days_to_churn <= w.as_of_on - c.responded_on) as churned
            from firsts as f
            inner join marts.fct_nps_churn as c using (response_key)
            cross join raw.workspace as w
            where c.has_churn_information and c.was_active_at_answer
            group by all
        )

        select 1
        from {{batch}} as t
        left join expected as e using (metric, survey_type)
        cross join (
            select value as most from seeds.assumptions where name = 'adjusted_customers'
        )
        where t.known_customers is distinct from e.customers
            or t.drawn_customers is distinct from least(e.customers, most)
            or t.is_sampled is distinct from (t.drawn_customers < t.known_customers)
            or t.model_customers > t.drawn_customers or t.model_churned > e.churned
            or t.customers > t.model_customers or t.churned > t.customers
        """,
        why="Every customer who was active at the first answer is followed, or as many as the "
        "sample may have.",
    ),
    corrected("metric, survey_type, kind, covariate"),
)

_DRIVERS = (
    keys(
        "keys",
        "metric, survey_type, kind, attribute",
        also="t.kind not in ('segment', 'answer', 'metric')",
        why="An attribute has one row per metric and survey type.",
    ),
    no_rows(
        "shares",
        f"""
        with summed as (
            select
                metric, survey_type, sum(share) as share, sum(relative_share) as relative_share
            from {{batch}} group by all
        )

        select 1
        from {{batch}} as t
        left join summed as s using (metric, survey_type)
        where (t.share is null) <> (t.unknown_because is not null)
            or t.unknown_because not in ('one_level', 'no_variation', 'beyond_limit', 'too_few')
            or (t.share is null) <> (t.r_squared is null)
            or (t.share is null) <> (t.ci_low is null)
            or (t.share is null) <> (t.added_share is null)
            or (t.r_squared is not null and abs(s.share - t.r_squared) > {TOLERANCE})
            or (t.r_squared > 0 and abs(s.relative_share - 1) > {TOLERANCE})
            or t.r_squared > 1 + {TOLERANCE} or t.share < -{TOLERANCE} or t.ci_low > t.ci_high
            or t.own_share > t.r_squared + {TOLERANCE}
            or t.added_share > t.own_share + t.r_squared
            or (t.unknown_because = 'one_level') <> (
                t.levels = 1 and t.unknown_because is not null
                and t.unknown_because <> 'no_variation'
            )
            or t.lowest_score > t.highest_score
            or t.p_value not between 0 and 1
        """,
        why="Shares add up to what is explained together; an unknown one is NULL with a reason.",
    ),
    no_rows(
        "of_the_facts",
        f"""
        with latest as (
            select
                metric, survey_type, voice_key,
                unnest(arg_max(
                    struct_pack(
                        contribution := contribution, channel := coalesce(channel, '(unknown)')
                    ),
                    {MOMENT}
                ))
            from marts.fct_nps_responses
            cross join raw.workspace as w
            cross join (
                select value as days from seeds.assumptions where name = 'key_driver_days'
            )
            where responded_on > w.as_of_on - days::integer
            group by metric, survey_type, voice_key
        ),

        channels as (
            select metric, survey_type, channel, count(*) as n, avg(contribution) as mean
            from latest group by all
        ),

        expected as (
            select
                c.metric, c.survey_type, count(*) as levels,
                sum(c.n * power(c.mean - a.mean, 2)) / nullif(any_value(a.squares), 0) as own_share,
                any_value(a.voices) as voices
            from channels as c
            inner join (
                select
                    metric, survey_type, count(*) as voices, avg(contribution) as mean,
                    var_pop(contribution) * count(*) as squares
                from latest group by all
            ) as a using (metric, survey_type)
            group by c.metric, c.survey_type
        )

        select 1
        from (select * from {{batch}} where kind = 'answer' and attribute = 'channel') as t
        full join expected as e using (metric, survey_type)
        cross join (
            select value as most from seeds.assumptions where name = 'key_driver_levels'
        )
        where t.voices is distinct from e.voices
            or t.levels is distinct from least(e.levels, most)
            or (e.levels between 2 and most and abs(t.own_share - e.own_share) > {TOLERANCE})
        """,
        why="Every voice counts once, with its latest answer of the days that count; what the "
        "channel explains by itself is the variance between channels.",
    ),
    corrected("metric, survey_type"),
)

ADJUSTED: dict[str, tuple[Check, ...]] = {
    "nps_retention_stratified": _STRATIFIED,
    "nps_retention_adjusted": _ADJUSTED,
    "nps_key_drivers": _DRIVERS,
}
