"""Checks of what opinions are worth: revenue at risk.

Counts are recomputed from the facts and figures from counts, in another way than in the models.
"""

from __future__ import annotations

from expectations import Check, no_rows
from expectations.suites.common import MOMENT, TOLERANCE, keys, no_emails

_RISK_KEY = "metric, survey_type, figure, dimension, segment"

_RISK = (
    keys(
        "keys",
        _RISK_KEY,
        tables="""
            left join seeds.revenue_at_risk_rates as r on t.figure = r.figure
            left join seeds.metrics as m on t.metric = m.metric""",
        also="""
            r.figure is null or t.nps_class is distinct from r.nps_class
            or t.assumed_rate is distinct from r.rate
            or t.horizon_days is distinct from r.horizon_days
            or m.population is distinct from 'customers'""",
        why="A figure has one row per segment, with the class, rate and horizon of the seed "
        "revenue_at_risk_rates, for customers and not for employees.",
    ),
    no_rows(
        "amounts",
        f"""
        select 1
        from {{batch}} as t
        inner join seeds.revenue_at_risk_rates as r on t.figure = r.figure
        cross join raw.workspace as w
        cross join (
            select count(distinct revenue_per_customer) as averages from {{batch}}
        )
        where t.customers is null or t.observed is null or t.customers < 0 or t.observed < 0
            or t.priced_customers is null or t.priced_customers < 0
            or t.priced_customers > t.customers
            or averages > 1
            or t.is_suppressed is distinct from (
                t.priced_customers > 0 and t.priced_customers < w.min_group_size
            )
            or (t.is_suppressed and coalesce(
                t.revenue_per_customer, t.assumed_amount, t.annual_revenue, t.evidence_amount,
                t.difference
            ) is not null)
            or (t.assumed_amount is null)
                <> (t.revenue_per_customer is null or t.priced_customers = 0)
            or abs(t.assumed_amount - t.priced_customers * t.assumed_rate * t.revenue_per_customer)
                > {TOLERANCE} * (1 + t.customers)
            or (t.evidence_amount is null) <> (t.annual_revenue is null or t.observed_rate is null)
            or abs(t.evidence_amount - t.annual_revenue * t.observed_rate)
                > {TOLERANCE} * (1 + t.observed_rate)
            or (t.difference is null)
                <> (t.evidence_amount is null or t.assumed_amount is null)
            or abs(t.difference - (t.evidence_amount - t.assumed_amount))
                > {TOLERANCE} * (1 + t.customers)
            or (t.observed_rate is null) <> (t.observed < w.min_group_size)
            or t.observed_rate < 0
            or (r.evidence = 'churn' and t.observed_rate > 1)
            or (t.rate_ci_low is null) <> (r.evidence <> 'churn' or t.observed_rate is null)
            or (t.rate_ci_low is null) <> (t.rate_ci_high is null)
            or t.rate_ci_low < 0 or t.rate_ci_low > t.observed_rate + {TOLERANCE}
            or t.rate_ci_high > 1 or t.rate_ci_high < t.observed_rate - {TOLERANCE}
            or (t.unknown_because is null)
                <> (t.assumed_amount is not null and t.evidence_amount is not null)
            or (t.unknown_because is not distinct from 'no_mrr') <> (t.priced_customers = 0)
            or t.unknown_because not in (
                'too_few', 'no_mrr', 'too_large', 'no_churn_information', 'no_referrals',
                'no_window_is_over'
            )
        """,
        why="The assumed amount is customers with known MRR x rate x average revenue, the "
        "evidence their own revenue x the observed rate; an unknown figure is NULL with a "
        "reason.",
    ),
    no_rows(
        "of_the_customers",
        f"""
        with latest as (
            select
                metric, survey_type, customer_key, arg_max(nps_class, {MOMENT}) as nps_class
            from marts.fct_nps_responses
            where customer_key is not null
            group by all
        ),

        paying as (
            select
                c.customer_key,
                c.is_active is not false as is_there,
                case when l.has_mrr_information then 12 * coalesce(v.mrr, 0) end as revenue
            from marts.dim_customers as c
            left join intermediate.int_customer_lifecycles_dated as l using (customer_key)
            left join intermediate.int_customer_values_summed as v using (customer_key)
        ),

        average as (select avg(revenue) as revenue_per_customer from paying where is_there),

        members as (
            select
                metric, survey_type, nps_class, count(*) as customers,
                count(revenue) as priced_customers, sum(revenue) as revenue
            from latest inner join paying using (customer_key)
            where is_there
            group by all
        )

        select 1
        from {{batch}} as t
        cross join average as a
        left join members as m using (metric, survey_type, nps_class)
        where t.dimension = 'all' and t.nps_class <> 'no_response'
            and (
                t.customers <> coalesce(m.customers, 0)
                or t.priced_customers <> coalesce(m.priced_customers, 0)
                or (not t.is_suppressed and (
                    (t.annual_revenue is null) <> (m.revenue is null)
                    or (t.revenue_per_customer is null) <> (a.revenue_per_customer is null)
                    or abs(t.annual_revenue - m.revenue) > {TOLERANCE} * (1 + t.customers)
                    or abs(t.revenue_per_customer - a.revenue_per_customer) > {TOLERANCE}
                ))
            )
        """,
        why="An active customer counts in the class of the latest answer, with its own revenue; "
        "the average is that of all active customers.",
    ),
    no_rows(
        "of_the_churn",
        f"""
        with observed as (
            select
                f.metric,
                f.survey_type,
                r.figure,
                count(*) as observed,
                count(*) filter (f.days_to_churn <= r.horizon_days) as happened
            -- held to the facts by nps_retention_curves' check of_the_customers
            from intermediate.int_first_anchors_chosen as f
            inner join seeds.revenue_at_risk_rates as r on f.nps_class = r.nps_class
            cross join raw.workspace as w
            where r.evidence = 'churn' and f.has_churn_information
                and f.anchored_on <= w.as_of_on - r.horizon_days
            group by all
        )

        select 1
        from {{batch}} as t
        inner join seeds.revenue_at_risk_rates as r on t.figure = r.figure
        left join observed as o
            on t.metric = o.metric and t.survey_type = o.survey_type and t.figure = o.figure
        where t.dimension = 'all' and r.evidence = 'churn'
            and (
                t.observed <> coalesce(o.observed, 0)
                or abs(t.observed_rate * o.observed - o.happened) > {TOLERANCE} * o.observed
            )
        """,
        why="The observed rate of an assumed loss is that of the customers, each by the first"
        " answer or silence, whose horizon has ended.",
    ),
    no_rows(
        "of_the_referrals",
        f"""
        with starts as (
            select
                f.metric, f.survey_type, f.customer_key, f.anchored_on, r.figure, r.horizon_days
            from intermediate.int_first_anchors_chosen as f
            inner join seeds.revenue_at_risk_rates as r on f.nps_class = r.nps_class
            inner join marts.dim_customers as c on f.customer_key = c.customer_key
            cross join raw.workspace as w
            where r.evidence = 'referral' and f.anchored_on <= w.as_of_on - r.horizon_days
                and c.source in (
                    select customer_source from raw.mapped_columns where entity = 'referrals'
                )
        ),

        made as (
            select
                v.referrer_customer_key as customer_key,
                timezone(w.timezone, timezone('UTC', v.referred_at))::date as referred_on
            from intermediate.int_referrals_versioned as v cross join raw.workspace as w
            where v.row_status = 'accepted' and v.converted_at < w.as_of_at
        ),

        observed as (
            select metric, survey_type, figure, count(*) as observed from starts group by all
        ),

        happened as (
            select a.metric, a.survey_type, a.figure, count(*) as happened
            from made as m
            inner join starts as a on m.customer_key = a.customer_key
            where m.referred_on - a.anchored_on between 1 and a.horizon_days
            group by all
        )

        select 1
        from {{batch}} as t
        inner join seeds.revenue_at_risk_rates as r on t.figure = r.figure
        left join observed as o
            on t.metric = o.metric and t.survey_type = o.survey_type and t.figure = o.figure
        left join happened as h
            on t.metric = h.metric and t.survey_type = h.survey_type and t.figure = h.figure
        where t.dimension = 'all' and r.evidence = 'referral'
            and (
                t.observed <> coalesce(o.observed, 0)
                or abs(t.observed_rate * o.observed - coalesce(h.happened, 0))
                    > {TOLERANCE} * o.observed
            )
        """,
        why="The observed rate of an assumed gain is referrals that won a customer within the "
        "horizon per customer whose horizon has ended.",
    ),
    no_rows(
        "adds_up",
        f"""
        with parts as (
            select
                metric, survey_type, figure, dimension,
                sum(customers) as customers,
                sum(priced_customers) as priced_customers,
                sum(observed) as observed,
                bool_or(is_suppressed) as is_suppressed,
                sum(assumed_amount) as assumed_amount,
                sum(annual_revenue) as annual_revenue
            from {{batch}}
            group by all
        )

        select 1
        from (
            select parts.* exclude (dimension), dimensions.dimension
            from parts cross join (
                select published_name as dimension from raw.segments
                union
                select dimension from parts where dimension <> 'all'
            ) as dimensions
            where parts.dimension = 'all'
        ) as a
        full join (select * from parts where dimension <> 'all') as b
            using (metric, survey_type, figure, dimension)
        where a.customers is distinct from b.customers
            or a.priced_customers is distinct from b.priced_customers
            or a.observed is distinct from b.observed
            or (not b.is_suppressed and (
                abs(a.assumed_amount - b.assumed_amount) > {TOLERANCE} * (1 + a.customers)
                or abs(a.annual_revenue - b.annual_revenue) > {TOLERANCE} * (1 + a.customers)
                or (a.annual_revenue is null) <> (b.annual_revenue is null)
            ))
        """,
        why="The segments of every dimension add up to the figure, in customers and, where none "
        "is suppressed, in money.",
    ),
    no_emails("customers", "assumed_amount", "annual_revenue", "observed", "evidence_amount"),
)

VALUE: dict[str, tuple[Check, ...]] = {
    "nps_revenue_at_risk": _RISK,
}
