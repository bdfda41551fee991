"""Checks of retention: how long customers stay, by what they answered.

Counts are recomputed from the facts and figures from counts, in another way than in the models.
"""

from __future__ import annotations

from expectations import Check, no_rows
from expectations.suites.common import TOLERANCE, corrected, keys, no_emails, p_value_is_wrong

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


def _differing(basis: str) -> str:
    """The end of a query: where the curves of a basis differ from the CTE `expected`."""
    return f"""found as (
            select
                metric, survey_type, nps_class, sum(churned + censored) as records,
                sum(churned) as churned, sum(days * (churned + censored)) as days
            from {{batch}}
            where basis = '{basis}' and dimension = 'all'
            group by all
        )

        select 1
        from expected as a full join found as b using (metric, survey_type, nps_class)
        where a.records is distinct from b.records
            or a.churned is distinct from b.churned
            or a.days is distinct from b.days
    """


_CURVES = (
    keys(
        "keys",
        f"{_CELL}, nps_class, days",
        also=f"t.basis not in {_BASES} or t.days < 0 or t.nps_class not in {_CLASSES}",
        why="A curve has one row per day, from day 0 on.",
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
        why="A curve begins on day 0 with all its records, loses each day those who churned or "
        "were censored, and ends with none.",
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
        why="Retention is the Kaplan-Meier product, with Greenwood's error and an interval on the"
        " scale log(-log); NULL exactly where too few are followed.",
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

        {_differing("responses")}
        """,
        why="The curves of all answers follow every customer who was active at the answer, for as"
        " many days as the facts cover, and lose those who left by as_of.",
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

        {_differing("customers")}
        """,
        why="In basis customers each customer counts once, from the first answer or non-response.",
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
                select published_name as dimension from raw.segments
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
        why="A pair of classes has one row, in either order.",
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
        why="Every two classes of a cell are compared, with the records and churn of their curves.",
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
            -- no record is lost between a day and the next one of the curve
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
            or {p_value_is_wrong("sqrt(t.chi_squared)")}
        """,
        why="Each class is expected to have its share at risk of a day's churn; chi-squared "
        "compares the sum with the observed churn, and p follows from it.",
    ),
    corrected(_CELL),
    no_emails("records", "compared_records", "churned", "compared_churned", "chi_squared"),
)


RETENTION: dict[str, tuple[Check, ...]] = {
    "nps_retention_curves": _CURVES,
    "nps_retention_tests": _TESTS,
}
