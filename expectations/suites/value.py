"""The marts boundary of what opinions are worth: retention, revenue at risk, lift.

Counts are taken again from the facts, figures from counts, each on another way than the models'.
"""

from __future__ import annotations

from expectations import Check, no_rows
from expectations.suites.common import TOLERANCE, keys, no_emails

_CLASSES = """(
    select nps_class from seeds.metric_scales union all select 'no_response'
)"""
_BASES = "('responses', 'customers')"
_CELL = "basis, metric, survey_type, dimension, segment"

# Answers and silences from which a customer is followed, as of as_of.
_FOLLOWED = """
    anchors as (
        select
            response_key as anchor_key, customer_key, metric, survey_type, nps_class,
            responded_on as anchored_on, days_to_churn
        from marts.fct_nps_churn
        where has_churn_information and was_active_at_answer
        union all
        select
            invitation_key, customer_key, metric, survey_type, 'no_response', sent_on,
            days_to_churn
        from intermediate.int_invitations_unanswered
        where has_churn_information and was_active_when_sent
    ),

    followed as (
        select
            anchors.*,
            coalesce(days_to_churn <= w.as_of_on - anchored_on, false) as is_churned,
            least(days_to_churn, w.as_of_on - anchored_on) as days
        from anchors cross join raw.workspace as w
    )"""

# Which answer is a customer's latest, and which its first.
_MOMENT = """
    row(responded_at, version_at is not null, version_at, length(response_id), response_id, source)
"""


def _p_value(root: str) -> str:
    """A condition of rows whose p_value is not the normal distribution's for a |z|.

    Birnbaum 1942 and Sampford 1953 bound the tail to a few percent, whatever computed it.
    """
    density = f"exp(-({root}) * ({root}) / 2) / sqrt(2 * pi())"
    low = f"4 * {density} / (({root}) + sqrt(({root}) * ({root}) + 4))"
    high = f"8 * {density} / (3 * ({root}) + sqrt(({root}) * ({root}) + 8))"
    return f"""
        t.p_value < {low} - {TOLERANCE} or t.p_value > {high} + {TOLERANCE}
        or t.p_value < 0 or t.p_value > 1 + {TOLERANCE}"""


def _corrected(family: str) -> Check:
    """p_adjusted told again by the definition of Benjamini and Hochberg, a family at a time."""
    return no_rows(
        "corrected",
        f"""
        with ranked as (
            select
                a.p_value,
                {", ".join(f"a.{column}" for column in family.split(", "))},
                count(*) as tests,
                count(*) filter (b.p_value <= a.p_value) as place
            from (select distinct p_value, {family} from {{batch}}) as a
            inner join {{batch}} as b using ({family})
            where a.p_value is not null and b.p_value is not null
            group by a.p_value, {family}
        )

        select 1
        from {{batch}} as t
        cross join (
            select value as level from seeds.assumptions where name = 'significance_level'
        )
        left join (
            select
                {family},
                p_value,
                tests,
                min(p_value * tests / place) over (
                    partition by {family} order by p_value desc
                ) as p_adjusted
            from ranked
        ) as e using ({family}, p_value)
        where (t.p_value is null) <> (t.p_adjusted is null)
            or abs(t.p_adjusted - least(e.p_adjusted, 1)) > {TOLERANCE}
            or (e.tests is not null and t.comparisons is distinct from e.tests)
            or t.is_significant is distinct from (t.p_adjusted <= level)
        """,
        why="Every p-value is corrected for those of its family (Benjamini and Hochberg), and a "
        "difference is called significant by the level of the seed assumptions.",
    )


_CURVES = (
    keys(
        "keys",
        f"{_CELL}, nps_class, days",
        also=f"t.basis not in {_BASES} or t.days < 0 or t.nps_class not in {_CLASSES}",
        why="A curve has one row a day, from day 0 on.",
    ),
    no_rows(
        "follow_up",
        f"""
        select 1
        from (
            select
                *,
                lead(at_risk) over curve as next_at_risk,
                lag(days) over curve as last_days,
                first_value(at_risk) over curve as records
            from {{batch}}
            window curve as (partition by {_CELL}, nps_class order by days)
        ) as t
        cross join raw.workspace as w
        where t.at_risk is null or t.churned is null or t.censored is null
            or t.churned < 0 or t.censored < 0 or t.at_risk < 1
            or t.at_risk - t.churned - t.censored <> coalesce(t.next_at_risk, 0)
            or (t.last_days is null) <> (t.days = 0)
            or (t.days > 0 and t.churned + t.censored = 0)
            or t.is_suppressed is distinct from (t.records < w.min_group_size)
        """,
        why="A curve begins on day 0 with all its records, loses on each of its days who churned "
        "or was seen no longer, and ends with nobody.",
    ),
    no_rows(
        "figures",
        f"""
        select 1
        from (
            select
                *,
                lag(retention) over curve as last_retention,
                lag(standard_error) over curve as last_error
            from {{batch}}
            window curve as (partition by {_CELL}, nps_class order by days)
        ) as t
        cross join (select value as z from seeds.assumptions where name = 'confidence_z')
        where (t.retention is null) <> t.is_suppressed
            or (t.ci_low is null) <> t.is_suppressed
            or (t.ci_high is null) <> t.is_suppressed
            or (t.standard_error is null) <> (t.is_suppressed or t.churned = t.at_risk)
            or abs(
                t.retention
                - coalesce(t.last_retention, 1) * (t.at_risk - t.churned) / t.at_risk
            ) > {TOLERANCE}
            -- Greenwood's sum grows by what the day lost; of a small share more of the twelve
            -- digits is rounding
            or abs(
                power(t.standard_error / nullif(t.retention, 0), 2)
                - coalesce(power(t.last_error / nullif(t.last_retention, 0), 2), 0)
                - t.churned / nullif(1.0 * t.at_risk * (t.at_risk - t.churned), 0)
            ) > {TOLERANCE} / t.retention
            -- symmetric on the scale log(-log S), and where that has no value no interval
            or (t.retention > 0 and t.retention < 1 - {TOLERANCE} and (
                abs(t.ci_low - exp(ln(t.retention) * exp(
                    -z * t.standard_error / t.retention / ln(t.retention)
                ))) > {TOLERANCE} / t.retention
                or abs(t.ci_high - exp(ln(t.retention) * exp(
                    z * t.standard_error / t.retention / ln(t.retention)
                ))) > {TOLERANCE} / t.retention
            ))
            or (t.retention in (0, 1) and (t.ci_low <> t.retention or t.ci_high <> t.retention))
        """,
        why="Retention is the product of the shares that stayed (Kaplan and Meier), its error "
        "Greenwood's, its interval on the scale log(-log); NULL exactly where too few are "
        "followed.",
    ),
    no_rows(
        "of_the_facts",
        f"""
        with {_FOLLOWED},

        expected as (
            select
                metric, survey_type, nps_class, count(*) as records,
                count(*) filter (is_churned) as churned, sum(days) as days
            from followed
            group by all
        ),

        found as (
            select
                metric, survey_type, nps_class, sum(churned + censored) as records,
                sum(churned) as churned, sum(days * (churned + censored)) as days
            from {{batch}}
            where basis = 'responses' and dimension = 'all'
            group by all
        )

        select 1
        from expected as a full join found as b using (metric, survey_type, nps_class)
        where a.records is distinct from b.records
            or a.churned is distinct from b.churned
            or a.days is distinct from b.days
        """,
        why="The curves of all answers follow every customer who was active, for as many days as "
        "the facts say, and lose those who left by as_of.",
    ),
    no_rows(
        "of_the_customers",
        f"""
        with {_FOLLOWED},

        timed as (
            select
                f.*,
                row(
                    f.anchored_on,
                    case when f.nps_class = 'no_response' then i.sent_at else r.responded_at end,
                    f.anchor_key
                ) as moment
            from followed as f
            left join marts.fct_nps_responses as r on f.anchor_key = r.response_key
            left join intermediate.int_invitations_identified as i
                on f.anchor_key = i.invitation_key
        ),

        firsts as (
            select
                metric,
                survey_type,
                customer_key,
                -- one search for the first, and not one a column
                arg_min(
                    struct_pack(nps_class := nps_class, is_churned := is_churned, days := days),
                    moment
                ) as first
            from timed
            group by all
        ),

        expected as (
            select
                metric, survey_type, first.nps_class, count(*) as records,
                count(*) filter (first.is_churned) as churned, sum(first.days) as days
            from firsts
            group by all
        ),

        found as (
            select
                metric, survey_type, nps_class, sum(churned + censored) as records,
                sum(churned) as churned, sum(days * (churned + censored)) as days
            from {{batch}}
            where basis = 'customers' and dimension = 'all'
            group by all
        )

        select 1
        from expected as a full join found as b using (metric, survey_type, nps_class)
        where a.records is distinct from b.records
            or a.churned is distinct from b.churned
            or a.days is distinct from b.days
        """,
        why="In the basis customers each counts once, from the first answer or silence.",
    ),
    no_rows(
        "adds_up",
        """
        with parts as (
            select
                basis, metric, survey_type, nps_class, dimension, days,
                sum(churned) as churned, sum(censored) as censored
            from {batch}
            where churned + censored > 0
            group by all
        )

        select 1
        from (
            select parts.* exclude (dimension), dimensions.dimension
            from parts cross join (
                select segment as dimension from raw.segments
                union
                select dimension from parts where dimension <> 'all'
            ) as dimensions
            where parts.dimension = 'all'
        ) as a
        full join (select * from parts where dimension <> 'all') as b
            using (basis, metric, survey_type, nps_class, dimension, days)
        where a.churned is distinct from b.churned or a.censored is distinct from b.censored
        """,
        why="On every day the segments of a dimension add up to the class.",
    ),
    no_emails("days", "at_risk", "churned", "censored", "retention", "standard_error"),
)

_PAIR = f"{_CELL}, nps_class, compared_class"

_TESTS = (
    keys(
        "keys",
        _PAIR,
        also="t.nps_class >= t.compared_class",
        why="A pair of classes has one row, whichever is named first.",
    ),
    no_rows(
        "pairs",
        f"""
        with curves as (
            select {_CELL}, nps_class, sum(churned + censored) as records, sum(churned) as churned
            from marts.nps_retention_curves
            group by all
        ),

        expected as (
            select
                {", ".join(f"a.{column}" for column in _CELL.split(", "))},
                a.nps_class,
                b.nps_class as compared_class,
                a.records,
                a.churned,
                b.records as compared_records,
                b.churned as compared_churned
            from curves as a inner join curves as b using ({_CELL})
            where a.nps_class < b.nps_class
        )

        select 1
        from {{batch}} as t full join expected as e using ({_PAIR})
        cross join raw.workspace as w
        where t.records is distinct from e.records
            or t.churned is distinct from e.churned
            or t.compared_records is distinct from e.compared_records
            or t.compared_churned is distinct from e.compared_churned
            or t.is_suppressed is distinct from (
                least(e.records, e.compared_records) < w.min_group_size
            )
        """,
        why="Every two classes of a cell are compared, with the records and the churned of their "
        "curves.",
    ),
    no_rows(
        "log_rank",
        f"""
        with days as (
            select distinct {_CELL}, t.nps_class, t.compared_class, curves.days
            from {{batch}} as t
            inner join marts.nps_retention_curves as curves
                using ({_CELL})
            where curves.nps_class in (t.nps_class, t.compared_class) and curves.churned > 0
                and not t.is_suppressed
        ),

        sides as (
            select
                days.*,
                a.at_risk as n,
                b.at_risk as m,
                case when a.days = days.days then a.churned else 0 end as d,
                case when b.days = days.days then b.churned else 0 end as e
            from days
            -- nobody is lost between a day and the next one of the curve
            asof left join marts.nps_retention_curves as a
                on days.basis = a.basis and days.metric = a.metric
                and days.survey_type = a.survey_type and days.dimension = a.dimension
                and days.segment = a.segment and days.nps_class = a.nps_class
                and days.days <= a.days
            asof left join marts.nps_retention_curves as b
                on days.basis = b.basis and days.metric = b.metric
                and days.survey_type = b.survey_type and days.dimension = b.dimension
                and days.segment = b.segment and days.compared_class = b.nps_class
                and days.days <= b.days
        ),

        expected as (
            select
                {_PAIR},
                sum((d + e) * coalesce(n, 0) / (coalesce(n, 0) + coalesce(m, 0))) as first,
                sum((d + e) * coalesce(m, 0) / (coalesce(n, 0) + coalesce(m, 0))) as second,
                sum(
                    (1.0 * n) * m * (d + e) * (n + m - d - e)
                    / nullif((1.0 * n + m) * (n + m) * (n + m - 1), 0)
                ) as variance
            from sides
            group by all
        )

        select 1
        from {{batch}} as t left join expected as e using ({_PAIR})
        where not t.is_suppressed and (
                abs(t.expected_churned - coalesce(e.first, 0)) > {TOLERANCE}
                or abs(t.compared_expected_churned - coalesce(e.second, 0)) > {TOLERANCE}
                or t.expected_churned is null or t.compared_expected_churned is null
                or (t.chi_squared is null) <> (coalesce(e.variance, 0) = 0)
                or abs(
                    t.chi_squared * e.variance - power(t.churned - t.expected_churned, 2)
                ) > {TOLERANCE} * (1 + e.variance)
            )
            or (t.is_suppressed and coalesce(
                t.expected_churned, t.compared_expected_churned, t.chi_squared, t.p_value
            ) is not null)
            or (t.chi_squared is null) <> (t.p_value is null)
            or {_p_value("sqrt(t.chi_squared)")}
        """,
        why="Of a day's churned each class is expected to have its share of those still there; "
        "chi-squared sets the sum beside what happened, and p follows from it.",
    ),
    _corrected(_CELL),
    no_emails("records", "compared_records", "churned", "compared_churned", "chi_squared"),
)

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
        why="A figure has one row a segment, with the class, the rate and the horizon of the seed "
        "revenue_at_risk_rates, of customers and not of employees.",
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
        why="Assumed is customers with known MRR x rate x average revenue, evident their own "
        "revenue x the observed rate; what is unknown is NULL and says why.",
    ),
    no_rows(
        "of_the_customers",
        f"""
        with latest as (
            select
                metric, survey_type, customer_key, arg_max(nps_class, {_MOMENT}) as nps_class
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
        why="A customer counts in the class of the latest answer, with its own revenue, unless it "
        "left; the average is of all active customers.",
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
            from marts.fct_nps_churn as f
            inner join seeds.revenue_at_risk_rates as r on f.nps_class = r.nps_class
            cross join raw.workspace as w
            where r.evidence = 'churn' and f.was_active_at_answer
                and f.responded_on <= w.as_of_on - r.horizon_days
            group by all
        )

        select 1
        from {{batch}} as t
        inner join seeds.revenue_at_risk_rates as r on t.figure = r.figure
        left join observed as o
            on t.metric = o.metric and t.survey_type = o.survey_type and t.figure = o.figure
        where t.dimension = 'all' and r.evidence = 'churn' and r.nps_class <> 'no_response'
            and (
                t.observed <> coalesce(o.observed, 0)
                or abs(t.observed_rate * o.observed - o.happened) > {TOLERANCE} * o.observed
            )
        """,
        why="The rate beside an assumed loss is that of the answers whose horizon is over.",
    ),
    no_rows(
        "of_the_referrals",
        f"""
        with anchors as (
            select
                f.metric, f.survey_type, f.customer_key, f.responded_on, r.figure, r.horizon_days
            from marts.fct_nps_churn as f
            inner join seeds.revenue_at_risk_rates as r on f.nps_class = r.nps_class
            inner join marts.dim_customers as c on f.customer_key = c.customer_key
            cross join raw.workspace as w
            where r.evidence = 'referral' and f.responded_on <= w.as_of_on - r.horizon_days
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
            select metric, survey_type, figure, count(*) as observed from anchors group by all
        ),

        happened as (
            select a.metric, a.survey_type, a.figure, count(*) as happened
            from made as m
            inner join anchors as a on m.customer_key = a.customer_key
            where m.referred_on - a.responded_on between 1 and a.horizon_days
            group by all
        )

        select 1
        from {{batch}} as t
        inner join seeds.revenue_at_risk_rates as r on t.figure = r.figure
        left join observed as o
            on t.metric = o.metric and t.survey_type = o.survey_type and t.figure = o.figure
        left join happened as h
            on t.metric = h.metric and t.survey_type = h.survey_type and t.figure = h.figure
        where t.dimension = 'all' and r.evidence = 'referral' and r.nps_class <> 'no_response'
            and (
                t.observed <> coalesce(o.observed, 0)
                or abs(t.observed_rate * o.observed - coalesce(h.happened, 0))
                    > {TOLERANCE} * o.observed
            )
        """,
        why="The rate beside an assumed gain is that of referrals that won a customer within the "
        "horizon, for each answer whose horizon is over.",
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
                select segment as dimension from raw.segments
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
        why="The segments of every dimension add up to the figure, in customers and, where none is "
        "too small to be shown, in money.",
    ),
    no_emails("customers", "assumed_amount", "annual_revenue", "observed", "evidence_amount"),
)

_LIFT = (
    keys(
        "keys",
        "metric, survey_type, nps_class, measure",
        also="""
            t.measure not in ('revenue', 'referrals', 'tickets', 'usage')
            or t.metric not in (select metric from seeds.metric_scales where nps_class = 'passive')
            or t.metric not in (select metric from seeds.metrics where population = 'customers')
            or t.nps_class not in (select nps_class from seeds.metric_scales)""",
        why="A class of a metric with passives has one row a measure.",
    ),
    no_rows(
        "figures",
        f"""
        select 1
        from {{batch}} as t
        cross join raw.workspace as w
        cross join (select value from seeds.assumptions where name = 'lift_days') as a
        left join {{batch}} as p
            on t.metric = p.metric and t.survey_type = p.survey_type and t.measure = p.measure
            and p.nps_class = 'passive'
        where t.observed is null or t.observed < 0
            or t.horizon_days is distinct from a.value
            or t.is_suppressed is distinct from (t.observed < w.min_group_size)
            or (t.mean is not null and (t.is_suppressed or t.observed = 0))
            or (t.mean is null) <> (t.total is null)
            or (t.unknown_because is not null)
                <> (t.mean is null or (t.standard_error is null and t.observed > 1))
            or t.unknown_because not in (
                'not_delivered', 'no_window_is_over', 'too_few', 'too_large'
            )
            or (t.unknown_because = 'not_delivered' and t.observed > 0)
            or (t.unknown_because = 'no_window_is_over' and t.observed > 0)
            or (t.unknown_because = 'too_large' and (t.is_suppressed or t.observed = 0))
            or (t.unknown_because <> 'too_large' and not t.is_suppressed and t.observed > 0)
            or (t.standard_error is not null and (t.mean is null or t.observed = 1))
            or t.standard_error < 0
            or abs(t.mean * t.observed - t.total) > {TOLERANCE} * (1 + abs(t.total))
            or t.passive_mean is distinct from p.mean
            or (t.difference is null) <> (t.mean is null or p.mean is null)
            or abs(t.difference - (t.mean - p.mean)) > {TOLERANCE} * (1 + abs(t.mean))
            or (t.lift is null) <> (t.difference is null or p.mean <= 0)
            or abs((1 + t.lift) * p.mean - t.mean) > {TOLERANCE} * (1 + abs(t.mean))
            or (t.z is null) <> (
                t.nps_class = 'passive'
                or coalesce(power(t.standard_error, 2) + power(p.standard_error, 2), 0) = 0
            )
            or abs(
                power(t.z, 2) * (power(t.standard_error, 2) + power(p.standard_error, 2))
                - power(t.difference, 2)
            ) > {TOLERANCE} * (1 + power(t.difference, 2))
            or t.z * t.difference < 0
            or (t.z is null) <> (t.p_value is null)
            or {_p_value("abs(t.z)")}
        """,
        why="A mean is a total over its customers, a lift its distance from the passives' mean, p "
        "follows from both errors; what is unknown is NULL and says why.",
    ),
    _corrected("metric, survey_type"),
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
                    {_MOMENT}
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
        from {{batch}} as t
        full join counts as c using (metric, survey_type, nps_class, measure)
        left join totals as s using (metric, survey_type, nps_class, measure)
        where t.observed is distinct from coalesce(c.observed, 0)
            or abs(t.total - coalesce(s.total, 0)) > {TOLERANCE} * (1 + t.observed)
        """,
        why="Each customer counts once, from its first answer, with what the facts say of the days "
        "after it, if they are over and what was delivered begins before and ends after them.",
    ),
    # it has no text but what the settings and the seeds say
)

VALUE: dict[str, tuple[Check, ...]] = {
    "nps_retention_curves": _CURVES,
    "nps_retention_tests": _TESTS,
    "nps_revenue_at_risk": _RISK,
    "nps_lift_by_class": _LIFT,
}
