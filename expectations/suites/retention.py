"""Checks of retention: how long customers stay, by what they answered.

Counts are recomputed from the facts and figures from counts, in another way than in the models.
"""

from __future__ import annotations

from expectations import Check, no_rows
from expectations.suites.common import TOLERANCE, corrected, keys, no_emails, p_value_is_wrong

_CLASSES = """(
    select nps_class from seeds.metric_scales
    union all select unnest(['no_response', 'answered_other'])
)"""
_BASES = "('responses', 'customers')"
_CELL = "basis, metric, survey_type, dimension, segment"
_SILENCES = "('no_response', 'answered_other')"

# Answers, and silences from their landmark on, unless the customer is known to have left before.
_ANCHORS = """
    anchors as (
        select
            customer_key, metric, survey_type, nps_class, responded_on as anchored_on,
            days_to_churn, has_churn_information, response_key as anchor_key, false as is_silence
        from marts.fct_nps_churn
        where was_active_at_answer is not false
        union all
        select
            customer_key, metric, survey_type, nps_class, landmark_on, days_to_churn,
            has_churn_information, invitation_key, true
        from intermediate.int_invitations_followed cross join raw.workspace
        where not is_answered and may_be_active and landmark_on <= as_of_on
    )"""

# Each customer's first of them.
_FIRSTS = f"""{_ANCHORS},

    timed as (
        select
            a.*,
            row(
                a.anchored_on,
                case when a.is_silence then i.landmark_at else r.responded_at end,
                a.anchor_key
            ) as moment
        from anchors as a
        left join marts.fct_nps_responses as r on a.anchor_key = r.response_key
        left join intermediate.int_invitations_followed as i
            on a.anchor_key = i.invitation_key
    ),

    firsts as (
        -- one search for the first, and not one a column
        select metric, survey_type, customer_key, unnest(first)
        from (
            select
                metric,
                survey_type,
                customer_key,
                arg_min(
                    struct_pack(
                        nps_class := nps_class,
                        anchored_on := anchored_on,
                        days_to_churn := days_to_churn,
                        has_churn_information := has_churn_information
                    ),
                    moment
                ) as first
            from timed
            group by all
        )
    )"""


def _expected(relation: str, condition: str = "") -> str:
    """The CTE `expected`: the length and end of the records of a relation, by class."""
    return f"""
        expected as (
            select
                f.metric, f.survey_type, f.nps_class, count(*) as records,
                count(*) filter (f.days_to_churn <= w.as_of_on - f.anchored_on) as churned,
                sum(least(f.days_to_churn, w.as_of_on - f.anchored_on)) as days
            from {relation} as f cross join raw.workspace as w
            where f.has_churn_information {condition}
            group by all
        ),
    """


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
        also=f"""
            t.basis not in {_BASES} or t.days < 0 or t.nps_class not in {_CLASSES}
            or t.followed_from is distinct from case
                when t.nps_class in {_SILENCES} then 'landmark' else 'answer'
            end""",
        why="A curve has one row per day, from day 0 on: the answer, or of silence the landmark.",
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
            or t.is_few_at_risk is distinct from (
                t.at_risk < (select value from seeds.assumptions where name = 'min_at_risk')
            )
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
                lag(standard_error) over curve as last_error,
                lag(ci_high) over curve as last_high
            from {{batch}}
            window curve as (partition by {_CELL}, nps_class order by days)
        ) as t
        cross join (select value as z from seeds.assumptions where name = 'confidence_z')
        where (t.retention is null) <> t.is_suppressed
            or (t.ci_low is null) <> t.is_suppressed
            or (t.ci_high is null) <> t.is_suppressed
            or (t.standard_error is null) <> (t.is_suppressed or t.retention in (0, 1))
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
            -- nobody or everybody has left: of all at risk, alpha / 2 = 0.025 at z = 1.96
            or (t.retention = 1 and (t.ci_high <> 1 or (
                abs(z - 1.96) < 0.01 and abs(pow(t.ci_low, t.at_risk) - 0.025) > 0.0005
            )))
            or (t.retention = 0 and (t.ci_low <> 0 or t.ci_high > coalesce(t.last_high, 1) or (
                abs(z - 1.96) < 0.01 and t.ci_high < coalesce(t.last_high, 1)
                and abs(pow(1 - t.ci_high, t.at_risk) - 0.025) > 0.0005
            )))
        """,
        why="Retention is the Kaplan-Meier product, with Greenwood's error and an interval on the"
        " scale log(-log), or exact bounds where nobody or everybody has left; NULL exactly where"
        " too few are followed.",
    ),
    no_rows(
        "of_the_facts",
        f"""
        with {_ANCHORS},
        {_expected("anchors")}
        {_differing("responses")}
        """,
        why="The curves of all answers and silences follow every customer who was active at the "
        "answer or landmark, for as many days as the facts cover, and lose those who left.",
    ),
    no_rows(
        "of_the_customers",
        f"""
        with {_FIRSTS},
        {_expected("firsts", "and f.nps_class <> 'answered_other'")}
        {_differing("customers")}
        """,
        why="In basis customers each customer counts once, from the first answer or silence.",
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
_LIVES = "intermediate.int_retention_days_counted"

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
            select
                {_CELL}, followed_from, nps_class,
                sum(churned + censored) as records, sum(churned) as churned
            from {_LIVES}
            group by all
        ),

        expected as (
            select
                {", ".join(f"a.{column}" for column in _CELL.split(", "))},
                a.followed_from,
                a.nps_class,
                b.nps_class as compared_class,
                a.records,
                a.churned,
                b.records as compared_records,
                b.churned as compared_churned
            from curves as a inner join curves as b using ({_CELL}, followed_from)
            where a.nps_class < b.nps_class and (
                a.followed_from = 'answer'
                or a.nps_class in {_SILENCES} or b.nps_class in {_SILENCES}
            )
        )

        select 1
        from {{batch}} as t full join expected as e using ({_PAIR})
        cross join raw.workspace as w
        where t.records is distinct from e.records
            or t.followed_from is distinct from e.followed_from
            or t.churned is distinct from e.churned
            or t.compared_records is distinct from e.compared_records
            or t.compared_churned is distinct from e.compared_churned
            or t.is_suppressed is distinct from (
                least(e.records, e.compared_records) < w.min_group_size
            )
        """,
        why="Every two classes of a cell are compared from the answer, and each with silence from"
        " the landmark, with the records and churn of their life tables.",
    ),
    no_rows(
        "log_rank",
        f"""
        with days as (
            select distinct {_CELL}, followed_from, t.nps_class, t.compared_class, curves.days
            from {{batch}} as t
            inner join {_LIVES} as curves
                using ({_CELL}, followed_from)
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
            asof left join {_LIVES} as a
                on days.basis = a.basis and days.followed_from = a.followed_from
                and days.metric = a.metric and days.survey_type = a.survey_type
                and days.dimension = a.dimension
                and days.segment = a.segment and days.nps_class = a.nps_class
                and days.days <= a.days
            asof left join {_LIVES} as b
                on days.basis = b.basis and days.followed_from = b.followed_from
                and days.metric = b.metric and days.survey_type = b.survey_type
                and days.dimension = b.dimension
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


_WINDOWS = (
    keys(
        "keys",
        f"{_CELL}, nps_class, window_days",
        also="t.window_days not in (select window_days from raw.churn_windows)",
        why="A curve has one row for each declared window.",
    ),
    no_rows(
        "readings",
        f"""
        with read as (
            select
                c.{", c.".join(_CELL.split(", "))},
                c.nps_class,
                w.window_days,
                sum(c.churned + c.censored) as records,
                coalesce(
                    sum(c.churned + c.censored) filter (c.days >= w.window_days), 0
                ) as at_risk,
                coalesce(sum(c.churned) filter (c.days <= w.window_days), 0) as churned,
                arg_max(c.retention, c.days) filter (c.days <= w.window_days) as retention
            from marts.nps_retention_curves as c cross join raw.churn_windows as w
            group by all
        )

        select 1
        from {{batch}} as t full join read as r using ({_CELL}, nps_class, window_days)
        cross join raw.workspace as s
        where t.records is distinct from r.records
            or t.at_risk is distinct from r.at_risk
            or t.churned is distinct from r.churned
            or t.is_suppressed is distinct from (r.records < s.min_group_size)
            or t.unknown_because is distinct from case
                when t.is_suppressed then 'too_few'
                when t.at_risk < (select value from seeds.assumptions where name = 'min_at_risk')
                    then 'too_few_at_risk'
            end
            or (t.unknown_because is null) <> (t.retention is not null)
            or (t.unknown_because is null) <> (t.restricted_mean_days is not null)
            or abs(t.retention - r.retention) > {TOLERANCE}
            or not (t.ci_low < t.ci_high and t.restricted_mean_low < t.restricted_mean_high)
            or not t.restricted_mean_days between t.restricted_mean_low - {TOLERANCE}
                and t.restricted_mean_high + {TOLERANCE}
            -- a curve that never rises lies above its end
            or not t.restricted_mean_days between t.retention * t.window_days - {TOLERANCE}
                and t.window_days + {TOLERANCE}
        """,
        why="A window reads its curve on its last day, with the records still at risk, and is NULL "
        "with a reason where they are too few.",
    ),
    no_emails("records", "at_risk", "churned", "retention", "restricted_mean_days"),
)

RETENTION: dict[str, tuple[Check, ...]] = {
    "nps_retention_curves": _CURVES,
    "nps_retention_by_window": _WINDOWS,
    "nps_retention_tests": _TESTS,
}
