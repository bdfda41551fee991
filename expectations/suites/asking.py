"""Checks of asking: response rates, non-response and survey fatigue.

Whatever follows from the facts is recomputed from them; bounds are the business's and come
from the settings and the seeds.
"""

from __future__ import annotations

from expectations import Check, no_rows
from expectations.suites.common import (
    EVERY_GRAIN,
    TOLERANCE,
    assumed,
    keys,
    no_emails,
    t_test_is_wrong,
)

_EVENTS = ("bounced", "opted_out", "delivered", "opened", "responded", "scored")
_COHORT = "survey_key, survey_id, metric, survey_type, channel"

_sums = ", ".join(f"sum({event}) as {event}" for event in ("sent", *_EVENTS))
_differ = " or ".join(f"a.{event} is distinct from b.{event}" for event in ("sent", *_EVENTS))
_out_of_place = " or ".join(f"t.{event} not between 0 and t.sent" for event in _EVENTS)


ASKING: dict[str, tuple[Check, ...]] = {
    "fct_response_rates": (
        keys(
            "keys",
            f"time_grain, cohort_start, {_COHORT}",
            also=f"""
                t.cohort_end is null or t.cohort_end < t.cohort_start
                or t.time_grain not in ({EVERY_GRAIN})""",
            why="A cohort of a survey and channel has one row; unknown ones have a name.",
        ),
        no_rows(
            "rates",
            f"""
            select 1
            from {{batch}} as t
            cross join raw.workspace as w
            cross join (select {assumed("confidence_z")} as z) as assumed
            where t.sent is null or t.sent <= 0 or {_out_of_place}
                or t.scored > t.responded or t.responded > t.opened or t.opened > t.delivered
                or t.is_suppressed is distinct from (t.sent < w.min_group_size)
                or t.is_settled is null
                or (t.delivery_rate is null) <> (t.is_suppressed or t.delivered is null)
                or (t.open_rate is null) <> (
                    t.opened is null or coalesce(t.delivered, 0) < greatest(w.min_group_size, 1)
                )
                or (t.response_rate is null) <> (
                    t.scored is null or coalesce(t.delivered, 0) < greatest(w.min_group_size, 1)
                )
                or (t.response_rate is null) <> (t.standard_error is null)
                or (t.response_rate is null) <> (t.ci_low is null)
                or (t.response_rate is null) <> (t.ci_high is null)
                or abs(t.delivery_rate * t.sent - t.delivered) > {TOLERANCE} * t.sent
                or abs(t.open_rate * t.delivered - t.opened) > {TOLERANCE} * t.sent
                or abs(t.response_rate * t.delivered - t.scored) > {TOLERANCE} * t.sent
                or t.standard_error <= 0
                or (t.scored > 0 and t.scored < t.delivered and abs(
                    t.standard_error * t.standard_error * t.delivered
                    - t.response_rate * (1 - t.response_rate)
                ) > {TOLERANCE})
                -- the bounds are where the score test is as far off as z: the roots of a parabola
                or not (0 <= t.ci_low and t.ci_low <= t.response_rate + {TOLERANCE})
                or not (t.response_rate <= t.ci_high + {TOLERANCE} and t.ci_high <= 1)
                or abs(
                    (t.response_rate - t.ci_low) * (t.response_rate - t.ci_low)
                    - assumed.z * assumed.z * t.ci_low * (1 - t.ci_low) / t.delivered
                ) > {TOLERANCE}
                or abs(
                    (t.response_rate - t.ci_high) * (t.response_rate - t.ci_high)
                    - assumed.z * assumed.z * t.ci_high * (1 - t.ci_high) / t.delivered
                ) > {TOLERANCE}
            """,
            scope="rows",
            why="An answered invitation was opened, and an opened one delivered; the rates follow"
            " from the counts, are within their Wilson interval, and are NULL exactly where a"
            " count is unknown or the denominator is 0 or smaller than min_group_size.",
        ),
        no_rows(
            "settled",
            # a day's row belongs to the cohorts that contain its day: the last sending decides
            f"""
            with last_sendings as (
                select
                    {_COHORT}, time_grain,
                    case
                        when time_grain like 'fiscal_%'
                            then date_trunc(substr(time_grain, 8), cohort_start - late) + late
                        when time_grain <> 'all' then date_trunc(time_grain, cohort_start)
                    end as starts_on,
                    max(cohort_start) as last_on
                from (select * exclude (time_grain) from {{batch}} where time_grain = 'day')
                cross join ({EVERY_GRAIN})
                cross join (select to_months(fiscal_year_start - 1) as late from raw.workspace)
                group by all
            )

            select 1
            from {{batch}} as t
            cross join raw.workspace as w
            inner join last_sendings as l
                on t.survey_key = l.survey_key and t.survey_id = l.survey_id
                and t.metric = l.metric and t.survey_type = l.survey_type
                and t.channel = l.channel and t.time_grain = l.time_grain
                and (case when t.time_grain <> 'all' then t.cohort_start end)
                    is not distinct from l.starts_on
            where t.is_settled
                <> (l.last_on + cast({assumed("response_days")} as int) < w.as_of_on)
            """,
            why="A rate is settled once its last invitation is older than response_days.",
        ),
        no_rows(
            "adds_up",
            f"""
            with totals as (
                select {_COHORT}, time_grain, {_sums} from {{batch}} group by all
            ),

            everywhere as (
                select totals.* exclude (time_grain), grains.time_grain
                from totals cross join ({EVERY_GRAIN}) as grains
                where totals.time_grain = 'all'
            )

            select 1
            from everywhere as a full join totals as b using ({_COHORT}, time_grain)
            where {_differ}
            union all
            select 1
            where (select coalesce(sum(sent), 0) from {{batch}} where time_grain = 'all')
                <> (
                    select coalesce(sum(rows_accepted), 0) from marts.ingest_reconciliation
                    where entity = 'survey_invitations'
                )
                or (select sum(scored) from {{batch}} where time_grain = 'all')
                    > (select count(*) from marts.fct_nps_responses)
            """,
            why="Every accepted invitation is counted once at every grain, and no more answers "
            "than exist.",
        ),
        no_emails("cohort_start", "cohort_end"),
    ),
    "nps_nonresponse_bias": (
        no_rows(
            "keys",
            """
            select 1 from {batch} as t
            where t.metric is null or t.survey_type is null or t.measure is null
                or t.measure not in ('mrr', 'tenure_days', 'churn_rate')
                or (t.window_days is not null) <> (t.measure = 'churn_rate')
                or t.window_days not in (select window_days from raw.churn_windows)
            union all
            select 1 from {batch}
            group by metric, survey_type, measure, window_days having count(*) > 1
            """,
            why="A measure has one row, churn one per declared window.",
        ),
        no_rows(
            "tested",
            f"""
            select 1
            from {{batch}} as t
            cross join raw.workspace as w
            cross join (select {assumed("confidence_z")} as z) as c
            where t.responders is null or t.silent is null or least(t.responders, t.silent) < 0
                or t.excluded is null or t.excluded < 0
                or (t.excluded > 0 and t.measure <> 'tenure_days')
                or t.is_suppressed
                    is distinct from (least(t.responders, t.silent) < w.min_group_size)
                or (t.is_suppressed and t.unknown_because is null)
                or (t.unknown_because is null) <> (t.responder_mean is not null)
                or (t.unknown_because is null) <> (t.silent_mean is not null)
                or (t.unknown_because is null) <> (t.difference is not null)
                or (t.unknown_because is null) <> (t.standard_error is not null)
                or (t.z is not null) <> coalesce(t.standard_error > 0, false)
                or (t.z is null) <> (t.p_value is null)
                or (t.z is null) <> (t.ci_low is null) or (t.z is null) <> (t.ci_high is null)
                or (t.degrees_of_freedom is null) <> (t.z is null or t.measure = 'churn_rate')
                or not (
                    least(t.responders, t.silent) - 1 - {TOLERANCE} <= t.degrees_of_freedom
                    and t.degrees_of_freedom <= t.responders + t.silent - 2 + {TOLERANCE}
                )
                or t.unknown_because not in (
                    'no_mrr', 'no_sign_up_dates', 'no_churn_information', 'no_window_is_over',
                    'too_few', 'too_large'
                )
                or t.standard_error < 0
                or abs(t.difference - (t.responder_mean - t.silent_mean))
                    > {TOLERANCE} * (1 + abs(t.responder_mean) + abs(t.silent_mean))
                or (
                    t.measure <> 'churn_rate'
                    and abs(t.z * t.standard_error - t.difference)
                        > {TOLERANCE} * (1 + abs(t.difference))
                )
                or (t.measure <> 'churn_rate' and ({t_test_is_wrong("t.standard_error", "c.z")}))
                -- the normal tail is between two elementary bounds (Chernoff; Gordon)
                or not (
                    t.measure <> 'churn_rate'
                    or t.p_value <= exp(-t.z * t.z / (1 + 1)) + {TOLERANCE}
                    and t.p_value >= sqrt((1 + 1) / pi()) * exp(-t.z * t.z / (1 + 1))
                        * abs(t.z) / (1 + t.z * t.z) - {TOLERANCE}
                )
                or (t.measure = 'churn_rate' and (
                    not t.responder_mean between 0 and 1 or not t.silent_mean between 0 and 1
                ))
            """,
            why="Difference and z follow from the means, p and interval from Student's t, of "
            "shares from the normal distribution; an unknown figure is NULL with a reason.",
        ),
        no_rows(
            "shares",
            f"""
            with adjusted as (
                select
                    t.z, t.standard_error, t.ci_low, t.ci_high,
                    {assumed("confidence_z")} as confidence_z,
                    t.responders + gone + stayed as first_size,
                    t.silent + gone + stayed as second_size,
                    (t.responder_mean * t.responders + gone) / first_size as first_share,
                    (t.silent_mean * t.silent + gone) / second_size as second_share
                from {{batch}} as t
                cross join (
                    select top_prior_of_two as gone, middle_prior_of_two as stayed
                    from seeds.metrics where metric = 'csat'
                )
                where t.measure = 'churn_rate' and t.unknown_because is null
            )

            select 1 from adjusted
            where abs(
                standard_error * standard_error
                - first_share * (1 - first_share) / first_size
                - second_share * (1 - second_share) / second_size
            ) > {TOLERANCE} * standard_error * standard_error
                or abs(z * standard_error - (first_share - second_share)) > {TOLERANCE}
                or abs(greatest(-1, (z - confidence_z) * standard_error) - ci_low) > {TOLERANCE}
                or abs(least(1, (z + confidence_z) * standard_error) - ci_high) > {TOLERANCE}
            """,
            why="Shares are tested with one churned and one kept customer added to each group, so"
            " that all against none is a difference as well.",
        ),
        no_rows(
            "corrected",
            f"""
            with ranked as (
                select
                    metric, survey_type, p_value, p_adjusted, comparisons, is_significant,
                    count(p_value) over family as tests,
                    count(p_value) over (family order by p_value) as place
                from {{batch}}
                window family as (partition by metric, survey_type)
            ),

            expected as (
                select
                    *,
                    min(p_value * tests / place) over (
                        partition by metric, survey_type order by p_value desc
                    ) as corrected
                from ranked where p_value is not null
            )

            select 1 from ranked
            where comparisons is distinct from tests
                or (p_adjusted is null) <> (p_value is null)
                or is_significant
                    is distinct from (p_adjusted <= {assumed("significance_level")})
            union all
            select 1 from expected where abs(p_adjusted - least(corrected, 1)) > {TOLERANCE}
            """,
            why="Every p is corrected for its metric and survey type (Benjamini and Hochberg), "
            "and called significant at the level of the seed assumptions.",
        ),
        no_rows(
            "silence",
            """
            select 1
            from marts.nps_outcomes_by_class as o
            left join (select * from {batch} where measure = 'churn_rate') as t
                using (metric, survey_type, window_days)
            where o.basis = 'customers' and o.nps_class = 'no_response' and o.dimension = 'all'
                and (
                    coalesce(t.silent, 0) < o.observed
                    or round(t.silent_mean * t.silent) < o.churned
                )
            """,
            why="Who had answered nothing by the first landmark had not answered the first one"
            " sent, and left within the same window.",
        ),
    ),
    "survey_fatigue": (
        keys(
            "keys",
            "customer_key, as_of_on",
            tables="""
                cross join raw.workspace as w
                full join (
                    select customer_key, is_active from marts.dim_customers where source in (
                        select customer_source from raw.mapped_columns
                        where entity = 'survey_invitations'
                    )
                ) as c on t.customer_key = c.customer_key""",
            also="""
                c.customer_key is null or t.as_of_on <> w.as_of_on
                or t.is_active is distinct from c.is_active""",
            scope="table",  # every row is as of as_of
            why="Every customer of a source that delivers invitations has one row, as of as_of.",
        ),
        no_rows(
            "peace",
            """
            select 1 from {batch} as t cross join raw.workspace as w
            where t.asks is null or t.asks_365d is null or not t.asks_365d between 0 and t.asks
                or (t.asks = 0) <> (t.last_asked_on is null)
                or t.last_asked_on > t.as_of_on or t.opted_out_on > t.as_of_on
                or t.days_since_last_asked is distinct from t.as_of_on - t.last_asked_on
                or t.quarantined_until
                    is distinct from t.last_asked_on + cast(w.quarantine_days as int)
                or t.may_be_asked is distinct from (
                    t.opted_out_on is null and t.is_active is not false
                    and (t.asks = 0 or t.days_since_last_asked >= w.quarantine_days)
                )
            """,
            scope="rows",
            why="Customers who opted out, left, or were asked within the quarantine may not be "
            "asked again.",
        ),
        no_rows(
            "asked",
            """
            select 1 from {batch} having sum(asks) > (
                select coalesce(sum(sent), 0) from marts.fct_response_rates where time_grain = 'all'
            ) or max(last_asked_on) > (
                select max(cohort_start) from marts.fct_response_rates where time_grain = 'day'
            )
            """,
            why="A customer was asked no more often than invitations were sent, and not later "
            "than the last of them.",
        ),
    ),
}
