"""Checks of lift: what classes do after their answer, as they are and standardised."""

from __future__ import annotations

from expectations import Check, no_rows
from expectations.suites.common import MOMENT, TOLERANCE, corrected, keys, t_test_is_wrong

_LIFT = (
    keys(
        "keys",
        "metric, survey_type, nps_class, measure, dimension",
        also="""
            t.measure not in ('revenue', 'referrals', 'tickets', 'usage')
            or t.metric not in (select metric from seeds.metric_scales where nps_class = 'passive')
            or t.metric not in (select metric from seeds.metrics where population = 'customers')
            or t.nps_class not in (select nps_class from seeds.metric_scales)
            or t.dimension not in (
                select published_name from raw.segments union all select 'all'
            )""",
        why="A class of a metric with passives has one row per measure and standardisation.",
    ),
    no_rows(
        "figures",
        f"""
        select 1
        from {{batch}} as t
        cross join raw.workspace as w
        cross join (select value from seeds.assumptions where name = 'lift_days') as a
        cross join (select value as z from seeds.assumptions where name = 'confidence_z') as c
        left join {{batch}} as p
            on t.metric = p.metric and t.survey_type = p.survey_type and t.measure = p.measure
            and t.dimension = p.dimension and p.nps_class = 'passive'
        where t.observed is null or t.observed < 0
            or t.horizon_days is distinct from a.value
            or (
                t.is_suppressed is distinct from (t.observed < w.min_group_size)
                and t.dimension = 'all'
            )
            or (t.mean is not null and (t.is_suppressed or t.observed = 0))
            or ((t.mean is null) <> (t.total is null) and t.dimension = 'all')
            or (t.total is not null and t.dimension <> 'all')
            or (t.unknown_because is not null)
                <> (t.mean is null or (t.standard_error is null and t.observed > 1))
            or t.unknown_because not in (
                'not_delivered', 'no_window_is_over', 'too_few', 'too_large',
                'no_base', 'stratum_too_small'
            )
            or (t.unknown_because in ('no_base', 'stratum_too_small') and t.dimension = 'all')
            or (t.unknown_because = 'not_delivered' and t.observed > 0)
            or (t.unknown_because = 'no_window_is_over' and t.observed > 0)
            or (t.unknown_because = 'too_large' and (
                t.is_suppressed or (t.observed = 0 and t.dimension = 'all')
            ))
            or (
                t.unknown_because not in ('too_large', 'no_base', 'stratum_too_small')
                and not t.is_suppressed and t.observed > 0
            )
            or (t.standard_error is not null and (t.mean is null or t.observed = 1))
            or t.standard_error < 0
            or abs(t.mean * t.observed - t.total) > {TOLERANCE} * (1 + abs(t.total))
            or (t.dimension = 'all' and (
                t.passive_mean is distinct from p.mean
                or t.passive_standard_error is distinct from p.standard_error
            ))
            or (t.difference is null) <> (t.mean is null or t.passive_mean is null)
            or abs(t.difference - (t.mean - t.passive_mean)) > {TOLERANCE} * (1 + abs(t.mean))
            or (t.lift is null) <> (t.difference is null or t.passive_mean <= 0)
            or abs((1 + t.lift) * t.passive_mean - t.mean) > {TOLERANCE} * (1 + abs(t.mean))
            or (t.z is null) <> (
                t.nps_class = 'passive' or coalesce(
                    power(t.standard_error, 2) + power(t.passive_standard_error, 2), 0
                ) = 0
            )
            or abs(
                power(t.z, 2)
                * (power(t.standard_error, 2) + power(t.passive_standard_error, 2))
                - power(t.difference, 2)
            ) > {TOLERANCE} * (1 + power(t.difference, 2))
            or t.z * t.difference < 0
            or (t.z is null) <> (t.degrees_of_freedom is null)
            or (t.dimension = 'all' and abs(
                t.degrees_of_freedom * (
                    coalesce(power(t.standard_error, 4) / (t.observed - 1), 0)
                    + coalesce(power(t.passive_standard_error, 4) / (p.observed - 1), 0)
                ) / power(power(t.standard_error, 2) + power(t.passive_standard_error, 2), 2) - 1
            ) > {TOLERANCE})
            or {t_test_is_wrong("t.difference / t.z", "c.z")}
        """,
        why="A mean is total / customers, a lift its difference from the passives' mean, p and "
        "interval are those of Welch's test; an unknown figure is NULL with a reason.",
    ),
    corrected("metric, survey_type, dimension"),
    no_rows(
        "standardised",
        f"""
        with strata as (
            select
                metric, survey_type, nps_class, measure, dimension, segment, count(*) as n,
                avg(amount) as mean, var_samp(amount) / count(*) as variance
            from (
                -- a column more, for a workspace may have no segments; UNPIVOT leaves NULL out
                unpivot (
                    select *, cast(null as varchar) as seg_
                    from intermediate.int_lift_amounts_summed
                )
                on columns('^seg_') into name dimension value segment
            )
            where is_observed
            group by all
        ),

        base as (
            select s.published_name, 'seg_' || s.segment as dimension, b.segment, b.customers
            from intermediate.int_customer_base_counted as b
            inner join raw.workspace as w on b.as_of_on = w.as_of_on
            inner join raw.segments as s on b.dimension = s.published_name
            where b.segment <> '(unknown)'
        ),

        compared as (
            select
                t.metric, t.survey_type, t.nps_class, t.measure, t.dimension, b.customers,
                least(coalesce(c.n, 0), coalesce(p.n, 0)) >= greatest(w.min_group_size, 2)
                    as is_covered,
                c.mean, c.variance, p.mean as passive_mean, p.variance as passive_variance,
                power(b.customers, 4) * (
                    power(c.variance, 2) / (c.n - 1) + power(p.variance, 2) / (p.n - 1)
                ) as squares
            from {{batch}} as t
            inner join base as b on t.dimension = b.published_name
            cross join raw.workspace as w
            left join strata as c
                on t.metric = c.metric and t.survey_type = c.survey_type
                and t.nps_class = c.nps_class and t.measure = c.measure
                and b.dimension = c.dimension and b.segment = c.segment
            left join strata as p
                on t.metric = p.metric and t.survey_type = p.survey_type
                and p.nps_class = 'passive' and t.measure = p.measure
                and b.dimension = p.dimension and b.segment = p.segment
        ),

        expected as (
            select
                metric, survey_type, nps_class, measure, dimension,
                coalesce(sum(customers) filter (is_covered), 0) / sum(customers) as covered,
                sum(customers * mean) filter (is_covered)
                    / sum(customers) filter (is_covered) as mean,
                sum(customers * passive_mean) filter (is_covered)
                    / sum(customers) filter (is_covered) as passive_mean,
                sqrt(sum(power(customers, 2) * variance) filter (is_covered))
                    / sum(customers) filter (is_covered) as error,
                sqrt(sum(power(customers, 2) * passive_variance) filter (is_covered))
                    / sum(customers) filter (is_covered) as passive_error,
                power(sum(power(customers, 2) * (variance + passive_variance))
                    filter (is_covered), 2) / sum(squares) filter (is_covered) as degrees
            from compared
            group by all
        )

        select 1
        from {{batch}} as t
        cross join (
            select value as least_share from seeds.assumptions
            where name = 'min_standardised_share'
        )
        left join expected as e using (metric, survey_type, nps_class, measure, dimension)
        where (t.covered_share is null) <> (t.dimension = 'all' or e.covered is null)
            or (t.dimension <> 'all' and (
                abs(t.covered_share - e.covered) > {TOLERANCE}
                or (t.mean is not null and coalesce(e.covered, 0) < least_share - {TOLERANCE})
                or (t.mean is null and t.unknown_because = 'stratum_too_small'
                    and e.covered > least_share + {TOLERANCE})
                or (t.unknown_because = 'no_base') <> (
                    t.unknown_because is not null and e.covered is null
                    and t.unknown_because not in (
                        'not_delivered', 'no_window_is_over', 'too_few', 'too_large'
                    )
                )
                or abs(t.mean - e.mean) > {TOLERANCE} * (1 + abs(t.mean))
                or abs(t.passive_mean - e.passive_mean) > {TOLERANCE} * (1 + abs(t.mean))
                or abs(t.standard_error - e.error) > {TOLERANCE} * (1 + t.standard_error)
                or abs(t.passive_standard_error - e.passive_error)
                    > {TOLERANCE} * (1 + t.passive_standard_error)
                -- of which twelve digits are summed
                or abs(t.degrees_of_freedom - e.degrees) > 0.001 * e.degrees
            ))
        """,
        why="A standardised mean is that of the segments, weighted with the customer base, where "
        "enough of both classes were observed; its degrees of freedom are Satterthwaite's.",
    ),
    no_rows(
        "of_the_facts",
        f"""
        with firsts as (
            select
                metric,
                survey_type,
                customer_key,
                unnest(arg_min(
                    struct_pack(
                        nps_class := nps_class,
                        responded_on := responded_on,
                        response_key := response_key
                    ),
                    {MOMENT}
                ))
            from marts.fct_nps_responses
            where customer_key is not null
                and metric in (select metric from {{batch}})
            group by metric, survey_type, customer_key
        ),

        deeds as (
            select
                'revenue' as measure, customer_key, amount,
                timezone(w.timezone, timezone('UTC', invoiced_at))::date as happened_on,
                customer_source
            from intermediate.int_invoices_versioned cross join raw.workspace as w
            where row_status = 'accepted'
            union all
            select
                'referrals', referrer_customer_key, 1,
                timezone(w.timezone, timezone('UTC', referred_at))::date, customer_source
            from intermediate.int_referrals_versioned cross join raw.workspace as w
            where row_status = 'accepted'
            union all
            select
                'tickets', customer_key, 1,
                timezone(w.timezone, timezone('UTC', opened_at))::date, customer_source
            from intermediate.int_support_tickets_versioned cross join raw.workspace as w
            where row_status = 'accepted'
            union all
            select 'usage', customer_key, quantity, used_on, customer_source
            from intermediate.int_product_usage_versioned
            where row_status = 'accepted'
        ),

        covers as (
            select
                measure, customer_source as source, min(happened_on) as begins_on,
                max(happened_on) as ends_on
            from deeds group by all
        ),

        observed as (
            select
                f.metric, f.survey_type, f.nps_class, f.customer_key, f.responded_on, v.measure
            from firsts as f
            inner join marts.fct_nps_churn as h using (response_key)
            inner join marts.dim_customers as c on f.customer_key = c.customer_key
            inner join covers as v using (source)
            cross join raw.workspace as w
            cross join (select value from seeds.assumptions where name = 'lift_days') as a
            where h.was_active_at_answer is not false
                and v.begins_on <= f.responded_on
                and f.responded_on <= least(w.as_of_on, v.ends_on) - a.value::integer
                and (v.measure <> 'revenue' or h.revenue_before is not null)
        ),

        counts as (
            select metric, survey_type, nps_class, measure, count(*) as observed
            from observed group by all
        ),

        totals as (
            select o.metric, o.survey_type, o.nps_class, o.measure, sum(d.amount) as total
            from deeds as d
            inner join observed as o using (customer_key, measure)
            cross join (select value from seeds.assumptions where name = 'lift_days') as a
            where d.happened_on > o.responded_on
                and d.happened_on <= o.responded_on + a.value::integer
            group by all
        )

        select 1
        from (select * from {{batch}} where dimension = 'all') as t
        full join counts as c using (metric, survey_type, nps_class, measure)
        left join totals as s using (metric, survey_type, nps_class, measure)
        where t.observed is distinct from coalesce(c.observed, 0)
            or abs(t.total - coalesce(s.total, 0)) > {TOLERANCE} * (1 + t.observed)
        """,
        why="Each customer counts once, from the first answer, with the events of the days after "
        "it, if these days are over and the delivered data covers all of them.",
    ),
    # it has no text but what the settings and the seeds say
)

LIFT: dict[str, tuple[Check, ...]] = {"nps_lift_by_class": _LIFT}
