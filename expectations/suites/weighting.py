"""Checks of weighted scores: recomputed from the segments' scores and the customers."""

from __future__ import annotations

from expectations import Check, no_rows
from expectations.suites.common import EVERY_GRAIN, TOLERANCE, assumed, keys

_PERIOD = "time_grain, period_start, basis, metric, survey_type, dimension"
_OF_CUSTOMERS = "select metric from seeds.metrics where population = 'customers'"

WEIGHTING: dict[str, tuple[Check, ...]] = {
    "nps_weighted_by_period": (
        keys(
            "keys",
            _PERIOD,
            also=f"""
                t.period_end is null or t.period_end < t.period_start
                or t.time_grain not in ({EVERY_GRAIN}) or t.basis not in ('responses', 'customers')
                or t.dimension not in (
                    select published_name from raw.segments union all select 'all dimensions'
                )
                or t.metric not in ({_OF_CUSTOMERS})""",
            why="A period of a customer metric has one row per segment dimension.",
        ),
        no_rows(
            "weights",
            f"""
            with parts as (
                select
                    {_PERIOD},
                    sum(responses) as responses,
                    sum(promoters) as promoters,
                    sum(detractors) as detractors,
                    min(100.0 * (promoters - detractors) / responses) as lowest,
                    max(100.0 * (promoters - detractors) / responses) as highest
                from marts.fct_nps_by_segment_period
                group by all
                union all
                select
                    {_PERIOD.replace("dimension", "'all dimensions'")}, responses, promoters,
                    detractors, -100, 100
                from marts.fct_nps_by_period
            )

            select 1
            from {{batch}} as t
            cross join raw.workspace as w
            left join parts as p using ({_PERIOD})
            where t.responses is distinct from p.responses
                or t.base_customers is null or t.base_customers <= 0
                or t.covered_share is null or not t.covered_share between 0 and 1
                or t.is_suppressed is distinct from (t.responses < w.min_group_size)
                or (t.nps is null) <> t.is_suppressed
                or (t.weighted_nps is null)
                    <> (t.is_suppressed or t.covered_share = 0 or not t.is_converged)
                or t.is_converged is null
                or (t.dimension <> 'all dimensions' and not t.is_converged)
                or (t.weighted_nps is null) <> (t.effective_responses is null)
                or (t.weighted_nps is null) <> (t.efficiency is null)
                or (t.weighted_nps is null) <> (t.standard_error is null)
                or (t.weighted_nps is null) <> (t.ci_low is null)
                or (t.weighted_nps is null) <> (t.ci_high is null)
                or t.is_inefficient is distinct from (
                    t.efficiency < {assumed("min_weighting_efficiency")}
                )
                or abs(t.nps - 100.0 * (p.promoters - p.detractors) / p.responses) > {TOLERANCE}
                or not t.weighted_nps between p.lowest - {TOLERANCE} and p.highest + {TOLERANCE}
                or not (0 < t.efficiency and t.efficiency <= 1 + {TOLERANCE})
                or abs(t.efficiency * t.responses - t.effective_responses)
                    > {TOLERANCE} * t.responses
                or t.standard_error < 0
                or t.standard_error * sqrt(t.effective_responses) > 100 + {TOLERANCE}
                or not (t.ci_low >= -100 and t.ci_low < t.ci_high and t.ci_high <= 100)
            """,
            why="The answers are those of the segments, the weighted score is between theirs, and"
            " the effective answers never exceed the answers.",
        ),
        no_rows(
            "bounds",
            f"""
            select 1
            from {{batch}} as t
            where (t.weighted_nps is null) <> (t.standard_error_stratified is null)
                or (t.weighted_nps is null) <> (t.ci_low_stratified is null)
                or (t.weighted_nps is null) <> (t.ci_high_stratified is null)
                or (t.weighted_nps is null) <> (t.largest_weight is null)
                or (t.weighted_nps is null) <> (t.margin_error is null)
                or (t.ci_low_finite is null) <> (t.ci_high_finite is null)
                or (t.ci_low_finite is not null and (
                    t.basis <> 'customers' or t.weighted_nps is null
                    or t.ci_high_finite - t.ci_low_finite > t.ci_high - t.ci_low + {TOLERANCE}
                    or t.ci_low_finite >= t.ci_high_finite
                ))
                or t.standard_error_stratified < 0
                or not (
                    t.ci_low_stratified >= -100 and t.ci_low_stratified < t.ci_high_stratified
                    and t.ci_high_stratified <= 100
                )
                or t.largest_weight < 1 - {TOLERANCE}
                or not t.margin_error between 0 and 1
                or (t.dimension <> 'all dimensions' and t.margin_error > 0)
            """,
            why="The stratified interval is there where the weighted score is, that of a finite "
            "population is no wider than the interval, and no weight is above the largest.",
        ),
        no_rows(
            "raked",
            f"""
            with single as (
                select
                    {_PERIOD.replace(", dimension", "")},
                    min(base_customers) as fewest, max(base_customers) as most_customers,
                    min(covered_share) as least_covered
                from {{batch}} where dimension <> 'all dimensions' group by all
            )

            select 1
            from (select * from {{batch}} where dimension = 'all dimensions') as t
            left join single as s using ({_PERIOD.replace(", dimension", "")})
            where t.base_customers is distinct from s.fewest
                or t.base_customers is distinct from s.most_customers
                or t.covered_share > s.least_covered + {TOLERANCE}
                or t.largest_weight > {assumed("max_raked_weight")} * (1 + {TOLERANCE})
            """,
            why="All dimensions stand for the customers that each of them stands for, and no weight"
            " is above the bound of the seed assumptions.",
        ),
        no_rows(
            "base",
            # a dimension is a column's name here: the row is turned into one row a column
            f"""
            with days as (
                select distinct
                    case when t.period_end < w.as_of_on then t.period_end else w.as_of_on end
                        as day_on,
                    timezone('UTC', timezone(w.timezone, cast(day_on + 1 as timestamp))) as ends_at
                from {{batch}} as t cross join raw.workspace as w
                where t.time_grain = 'all'
            ),

            present as (
                -- no segment's name has a space
                select
                    h.* exclude (valid_from, valid_to)
                    replace (cast(h.customer_key as varchar) as customer_key),
                    days.day_on as "day on"
                from days
                cross join marts.dim_customers as c
                inner join marts.dim_customer_history as h on c.customer_key = h.customer_key
                where not c.is_inferred
                    and (c.signed_up_at is null or c.signed_up_at < days.ends_at)
                    and (c.churned_at is null or c.churned_at >= days.ends_at)
                    and h.valid_from < days.ends_at
                    and (h.valid_to is null or h.valid_to >= days.ends_at)
            ),

            base as (
                select
                    "day on" as day_on, dimension, coalesce(segment, '(unknown)') as segment,
                    cast(count(*) as double) as customers
                from present unpivot include nulls (
                    segment for dimension in (columns(* exclude ("day on")))
                )
                where dimension in (select published_name from raw.segments)
                group by all
            ),

            totals as (
                select day_on, dimension, sum(customers) as customers from base group by all
            ),

            expected as (
                select
                    s.basis, s.metric, s.survey_type, s.dimension,
                    any_value(totals.customers) as base_customers,
                    coalesce(sum(base.customers), 0) as covered,
                    sum(base.customers * 100.0 * (s.promoters - s.detractors) / s.responses)
                        / sum(base.customers) as score,
                    sum(base.customers) * sum(base.customers)
                        / sum(base.customers * base.customers / s.responses) as effective
                from marts.fct_nps_by_segment_period as s
                cross join raw.workspace as w
                inner join totals
                    on s.dimension = totals.dimension
                    and totals.day_on = case
                        when s.period_end < w.as_of_on then s.period_end else w.as_of_on
                    end
                left join base
                    on totals.day_on = base.day_on and s.dimension = base.dimension
                    and s.segment = base.segment
                where s.time_grain = 'all'
                    and s.metric in ({_OF_CUSTOMERS})
                group by all
            )

            select 1
            from (
                select * from {{batch}} where time_grain = 'all' and dimension <> 'all dimensions'
            ) as t
            full join expected as e using (basis, metric, survey_type, dimension)
            where t.base_customers is distinct from e.base_customers
                or abs(t.covered_share * e.base_customers - e.covered)
                    > {TOLERANCE} * e.base_customers
                or abs(t.weighted_nps - e.score) > {TOLERANCE}
                or abs(t.effective_responses - e.effective) > {TOLERANCE} * t.responses
            """,
            why="Over all time the base is the customers active at its end, and the weighted "
            "score follows from their segments.",
        ),
    ),
}
