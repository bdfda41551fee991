"""The marts boundary: what leaves, checked as a reader of the tables would see it.

dbt's tests guard the way there; these guard the result, and recompute from the facts what the
aggregates say. What would make a published number wrong is critical. Constants of the business are
read from ``raw`` and ``seeds``: none is repeated here.
"""

from __future__ import annotations

from expectations import Check, no_rows
from expectations.suites.common import EVERY_GRAIN, SCORES_WITH_COUNTS, TOLERANCE, keys, no_emails

_COUNTS = ("responses", "promoters", "passives", "detractors")


_sums = ", ".join(f"sum({count}) as {count}" for count in _COUNTS)
_differ = " or ".join(f"a.{count} is distinct from b.{count}" for count in _COUNTS)

_PERIOD_KEY = "time_grain, period_start, basis, metric, survey_type"
_PERIOD_RULE = f"""
    t.period_end is null or t.period_end < t.period_start
    or t.time_grain not in ({EVERY_GRAIN})
    or t.basis not in ('responses', 'customers')"""

FOUNDATION: dict[str, tuple[Check, ...]] = {
    "dim_customers": (
        keys(
            "keys",
            "customer_key",
            also="t.source is null or t.customer_id is null or t.is_inferred is null",
            why="A customer has one row and one key.",
        ),
        no_rows(
            "activity",
            """
            select 1 from {batch} as t cross join raw.workspace as w
            where t.has_churn_information is null
                or (t.churned_at is not null and not t.has_churn_information)
                or (
                    t.has_churn_information
                    and t.is_active is distinct from
                        (t.churned_at is null or t.churned_at >= w.as_of_at)
                )
                or (
                    not t.has_churn_information and t.is_active is not null
                    and t.source not in (
                        select customer_source from raw.mapped_columns
                        where entity = 'customers' and column_name = 'is_churned'
                    )
                )
            """,
            why="A customer is active at as_of unless churned by then; where the source does not"
            " report when, both are unknown, but for what a status says.",
        ),
        no_emails("customer_key", "account_key", "signed_up_at", "churned_at"),
    ),
    "dim_customer_history": (
        keys(
            "intervals",
            "customer_key, valid_from",
            tables="""
                left join (
                    select
                        customer_key,
                        valid_from,
                        lead(valid_from) over (
                            partition by customer_key order by valid_from
                        ) as next_from
                    from {batch}
                ) as n on t.customer_key = n.customer_key and t.valid_from = n.valid_from
                left join marts.dim_customers as c on t.customer_key = c.customer_key""",
            also="""
                c.customer_key is null or t.valid_to <= t.valid_from
                or t.valid_to is distinct from n.next_from""",
            why="A known customer's versions follow each other without gap or overlap and the "
            "last one is open, so that an answer matches exactly one.",
        ),
        # without segments the key is the only text column
        no_emails("valid_from", "valid_to"),
    ),
    "dim_surveys": (
        keys(
            "keys",
            "survey_key",
            also="""
                (t.metric is null or t.survey_type is null or t.scale is null)
                and t.survey_key in (select survey_key from marts.fct_nps_responses)""",
            scope="table",  # an unanswered survey needs no metric until it is answered
            why="A survey has one row; an answered survey has its metric and scale.",
        ),
        no_emails("survey_key"),
    ),
    "fct_nps_responses": (
        keys(
            "keys",
            "response_key",
            tables="""
                left join marts.dim_customers as c on t.customer_key = c.customer_key
                left join marts.dim_surveys as s on t.survey_key = s.survey_key""",
            also="""
                t.source is null or t.response_id is null or t.voice_key is null
                or (t.customer_key is not null and c.customer_key is null)
                or (t.survey_key is not null and s.survey_key is null)""",
            why="An answer is counted once, under one voice, and its customer and survey exist.",
        ),
        no_rows(
            "classes",
            """
            select t.source
            from {batch} as t
            left join seeds.metric_scales as s
                on t.metric = s.metric and t.scale = s.scale and t.score = s.score
            where t.nps_class is null or t.contribution is null or t.survey_type is null
                or t.nps_class is distinct from s.nps_class
                or t.contribution is distinct from s.contribution
            """,
            scope="rows",
            by="source",
            why="Every score is on its scale, with the class and contribution of the seed "
            "metric_scales.",
        ),
        no_rows(
            "times",
            # when a day begins in UTC is computed once per day, not per answer; what is
            # outside its day may be in an hour that the clocks repeat, and is computed by itself
            """
            with days as (
                select
                    d.responded_on,
                    w.as_of_at,
                    w.timezone,
                    timezone('UTC', timezone(w.timezone, d.responded_on::timestamp)) as begins_at,
                    timezone('UTC', timezone(w.timezone, (d.responded_on + 1)::timestamp))
                        as ends_at
                from (select distinct responded_on from {batch}) as d cross join raw.workspace as w
            )

            select t.source
            from {batch} as t left join days using (responded_on)
            where t.responded_at is null or days.responded_on is null
                or t.responded_at >= days.as_of_at
                or case
                    when t.responded_at >= days.begins_at and t.responded_at < days.ends_at
                        then false
                    else t.responded_on
                        <> cast(timezone(days.timezone, timezone('UTC', t.responded_at)) as date)
                end
            """,
            scope="rows",
            by="source",
            why="No answer is later than as_of, and its day is that of the business zone.",
        ),
        no_rows(
            "arrived",
            """
            select 1 where (select count(*) from {batch}) = 0 and exists (
                select 1 from raw.files where entity = 'survey_responses' and rows_delivered > 0
            )
            """,
            severity="warning",
            why="If a source delivered answers, at least one is counted.",
        ),
        no_rows(
            "fresh",
            """
            select source
            from (
                select
                    source,
                    responded_on,
                    responded_on - lag(responded_on) over (
                        partition by source order by responded_on
                    ) as silence
                from (select distinct source, responded_on from {batch})
            )
            group by source
            having (select as_of_on from raw.workspace) - max(responded_on) > max(silence)
            """,
            measure="""
            select (select as_of_on from raw.workspace) - max(responded_on) as days_since_last
            from {batch}
            """,
            explain="select source, count(*) as feeds from {failing} group by all",
            severity="warning",
            why="No source has been silent for longer than ever before: its feed may have stopped.",
        ),
        no_emails(
            "response_key, survey_key, customer_key, account_key, voice_key, responded_at",
            "responded_on, score, nps_class, contribution, has_comment",
        ),
    ),
    "fct_nps_by_period": (
        keys("keys", _PERIOD_KEY, also=_PERIOD_RULE, why="A period has one row."),
        SCORES_WITH_COUNTS,
        no_rows(
            "adds_up",
            f"""
            with answers as (
                select
                    metric,
                    survey_type,
                    count(*) as responses,
                    count(*) filter (contribution > 0) as promoters,
                    count(*) filter (contribution = 0) as passives,
                    count(*) filter (contribution < 0) as detractors,
                    count(distinct voice_key) as voices
                from marts.fct_nps_responses
                group by all
            ),

            expected as (
                select * from answers cross join ({EVERY_GRAIN})
            ),

            found as (
                select metric, survey_type, time_grain, {_sums}
                from {{batch}} where basis = 'responses' group by all
            )

            select 1
            from expected as a full join found as b using (metric, survey_type, time_grain)
            where {_differ}
            union all
            select 1
            from answers
            full join (
                select * from {{batch}} where basis = 'customers' and time_grain = 'all'
            ) as b using (metric, survey_type)
            where answers.voices is distinct from b.responses
            """,
            why="At every grain the periods add up to the answers in fct_nps_responses; over all "
            "time each voice counts once in basis customers.",
        ),
    ),
    "fct_nps_by_segment_period": (
        keys(
            "keys",
            f"{_PERIOD_KEY}, dimension, segment",
            also=_PERIOD_RULE,
            why="A segment of a period has one row; unknown segments have a name and are never "
            "NULL.",
        ),
        SCORES_WITH_COUNTS,
        no_rows(
            "adds_up",
            f"""
            with dimensions as (
                select published_name as dimension from raw.segments
                union all
                select unnest(['channel', 'touchpoint', 'survey'])
            ),

            totals as (
                select {_PERIOD_KEY}, dimension, {", ".join(_COUNTS)}
                from marts.fct_nps_by_period cross join dimensions
            ),

            parts as (
                select {_PERIOD_KEY}, dimension, {_sums} from {{batch}} group by all
            )

            select 1
            from totals as a full join parts as b using ({_PERIOD_KEY}, dimension)
            where {_differ}
            """,
            why="In both bases the segments of every dimension add up to the total.",
        ),
        no_emails(),
    ),
    "fct_nps_churn": (
        keys(
            "keys",
            "response_key",
            tables="left join marts.fct_nps_responses as f on t.response_key = f.response_key",
            also="""
                f.response_key is null or t.customer_key is null
                or t.customer_key is distinct from f.customer_key
                or t.nps_class is distinct from f.nps_class
                or t.responded_on is distinct from f.responded_on""",
            why="Each row is one answer of a known customer, with its class and day.",
        ),
        no_rows(
            "survival",
            """
            select 1 from {batch}
            where has_churn_information is null
                or (churned_on is not null and not has_churn_information)
                or (days_to_churn is not null and churned_on is null)
                or days_to_churn <> churned_on - responded_on
                or days_to_churn < 0
                or (was_active_at_answer is null) is distinct from (not has_churn_information)
                or (was_active_at_answer and churned_on is not null and days_to_churn is null)
                or (not was_active_at_answer and (churned_on is null or days_to_churn is not null))
            """,
            scope="rows",
            why="Days to churn follow from the two dates; answers given after leaving do not "
            "count; churn is unknown, not zero, where the source does not report it.",
        ),
        no_emails(
            "response_key, customer_key, nps_class, responded_on, churned_on, days_to_churn",
            "has_churn_information, was_active_at_answer, mrr_at_answer, revenue_before",
        ),
    ),
    "nps_outcomes_by_class": (
        keys(
            "keys",
            "basis, metric, survey_type, nps_class, window_days, dimension, segment",
            also="""
                t.basis not in ('responses', 'customers')
                or t.nps_class not in (
                    select nps_class from seeds.metric_scales
                    union all select unnest(['no_response', 'answered_other'])
                )
                or t.window_days not in (select window_days from raw.churn_windows)""",
            why="A class has one row for each basis, declared window and segment.",
        ),
        no_rows(
            "rates",
            f"""
            select 1 from {{batch}} as t cross join raw.workspace as w
            where t.is_suppressed is null
                or t.customers is null or t.observed is null or t.churned is null
                or t.customers < 0 or t.churned < 0 or t.churned > t.observed
                or (t.observed < w.min_group_size and not t.is_suppressed)
                or (t.churn_rate is null) <> (t.is_suppressed or t.observed = 0)
                or (t.churn_rate is null) <> (t.standard_error is null)
                or (t.churn_rate is null) <> (t.ci_low is null)
                or (t.churn_rate is null) <> (t.ci_high is null)
                or abs(t.churn_rate - 1.0 * t.churned / nullif(t.observed, 0)) > {TOLERANCE}
                or t.standard_error <= 0 or t.ci_low >= t.ci_high
                or not (0 <= t.ci_low and t.ci_low <= t.churn_rate + {TOLERANCE})
                or not (t.churn_rate <= t.ci_high + {TOLERANCE} and t.ci_high <= 1)
            """,
            why="A churn rate is churned / observed, within 0..1 and its interval, which is never "
            "a point, and NULL exactly where nobody was observed or the cell is suppressed.",
        ),
        no_rows(
            "lifetime_value",
            f"""
            with assumed as (
                select
                    max(value) filter (name = 'gross_margin') as margin,
                    ln(1 + max(value) filter (name = 'discount_rate')) as discount,
                    max(value) filter (name = 'max_lifetime_years') as years,
                    max(value) filter (name = 'min_churned') as min_churned
                from seeds.assumptions
            ),

            windows as (
                select
                    metric, survey_type, nps_class, dimension, segment, window_days, churned,
                    -ln(nullif(1 - churn_rate, 0)) * 365 / window_days + discount as force
                from {{batch}} cross join assumed
                where basis = 'customers'
            )

            select 1
            from {{batch}} as t
            cross join assumed as a
            left join windows as w
                on t.metric = w.metric and t.survey_type = w.survey_type
                and t.nps_class = w.nps_class and t.dimension = w.dimension
                and t.segment = w.segment and t.ltv_window_days = w.window_days
            where (t.projected_ltv is null) <> (t.unknown_because is not null)
                or (t.projected_ltv is null) <> (t.ltv_window_days is null)
                or (t.basis = 'responses')
                    <> coalesce(t.unknown_because = 'counts_answers', false)
                or t.unknown_because not in (
                    'counts_answers', 'no_mrr', 'too_large', 'no_churn_information',
                    'no_window_is_over', 'too_few', 'too_few_churned'
                )
                or (t.projected_ltv is not null and (
                    w.churned is null or w.churned < a.min_churned
                    or abs(
                        t.projected_ltv - a.margin * t.active_mrr * 12
                        * coalesce((1 - exp(-w.force * a.years)) / w.force, 0)
                    ) > {TOLERANCE} * (1 + abs(t.projected_ltv))
                    or (t.active_mrr >= 0 and not (
                        t.projected_ltv_low <= t.projected_ltv
                        and t.projected_ltv <= t.projected_ltv_high
                    ))
                ))
            """,
            why="A lifetime value is a year's margin x a life annuity at the hazard of one "
            "window's churn by customers, the same in every row of the class, or NULL with a "
            "reason.",
        ),
        no_rows(
            "adds_up",
            """
            with parts as (
                select
                    basis, metric, survey_type, nps_class, window_days, dimension,
                    sum(customers) as customers, sum(observed) as observed, sum(churned) as churned
                from {batch}
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
                using (basis, metric, survey_type, nps_class, window_days, dimension)
            where a.customers is distinct from b.customers
                or a.observed is distinct from b.observed
                or a.churned is distinct from b.churned
            """,
            why="The segments of every dimension add up to the class.",
        ),
        no_emails(),
    ),
    "customer_nps_features": (
        keys(
            "keys",
            "customer_key, as_of_on",
            tables="left join marts.dim_customers as c on t.customer_key = c.customer_key",
            also="c.customer_key is null",
            why="A known customer has one row per feature day.",
        ),
        no_rows(
            "consistent",
            """
            select 1
            from {batch} as t
            where least(
                    t.responses_90d, t.responses_365d - t.responses_90d,
                    t.tickets_90d, t.tickets_365d - t.tickets_90d
                ) < 0
                or t.responses_90d is null or t.responses_365d is null
                or t.usage_90d < 0
                or (t.last_score is null) <> (t.last_class is null)
                or (t.last_score is null) <> (t.days_since_last_response is null)
                or not (t.mean_contribution between -100 and 100)
            """,
            scope="rows",
            why="A longer window counts at least what a shorter one does, no count is negative, "
            "and the last answer has its class and age or is NULL in all three.",
        ),
        no_rows(
            "no_future",
            """
            with headline as (
                select w.as_of_on, f.customer_key, f.responded_on
                from raw.workspace as w
                left join marts.fct_nps_responses as f
                    on f.metric = w.headline_metric and f.survey_type = w.headline_survey_type
            ),

            -- a leak shows in the oldest rows; a lost answer in the newest
            days as (
                select min(as_of_on) as as_of_on from {batch}
                union
                select max(as_of_on) as as_of_on from {batch}
            ),

            latest as (
                select
                    headline.customer_key,
                    days.as_of_on,
                    max(headline.responded_on) as responded_on
                from headline inner join days on headline.responded_on <= days.as_of_on
                group by all
            )

            select 1
            from {batch} as t
            inner join days on t.as_of_on = days.as_of_on
            left join latest
                on t.customer_key = latest.customer_key and t.as_of_on = latest.as_of_on
            where t.days_since_last_response is distinct from t.as_of_on - latest.responded_on
            union all
            select 1 from {batch} as t
            where t.as_of_on > (select as_of_on from raw.workspace) or t.tenure_days < 0
            """,
            scope="rows",
            why="Nothing is later than as_of_on: the last answer is the latest one up to that day.",
        ),
    ),
}
