"""Checks of accounts: one account, one voice, beside the score by contact and by revenue."""

from __future__ import annotations

from expectations import Check, no_rows
from expectations.suites.common import TOLERANCE, assumed, grains, keys, no_emails, unequal

_CUSTOMERS_METRIC = (
    "t.metric not in (select metric from seeds.metrics where population = 'customers')"
)
_PERIOD = "time_grain, period_start, metric, survey_type"

_NOW = (
    keys(
        "keys",
        "account_key, metric, survey_type",
        also=_CUSTOMERS_METRIC,
        scope="table",
        why="An account has one row per metric of customers and survey type.",
    ),
    no_rows(
        "figures",
        f"""
        select 1 from {{batch}} as t cross join raw.workspace as w
        where least(
                t.customers, t.promoters, t.passives, t.detractors, t.previous_responses,
                t.decision_maker_responses
            ) < 0
            or t.responses is distinct from t.promoters + t.passives + t.detractors
            or t.decision_maker_responses > t.responses
            or t.is_silent is distinct from (t.responses = 0)
            or {unequal("t.nps", "100.0 * (t.promoters - t.detractors) / nullif(t.responses, 0)")}
            or (t.previous_nps is null) <> (t.previous_responses = 0)
            or (t.decision_maker_nps is null) <> (t.decision_maker_responses = 0)
            or not coalesce(abs(t.previous_nps) <= 100, true)
            or not coalesce(abs(t.decision_maker_nps) <= 100, true)
            or {unequal("t.nps_change", "t.nps - t.previous_nps")}
            or (
                not t.is_silent and not coalesce(
                    t.last_responded_on > w.as_of_on - {assumed("account_days")}::int
                    and t.last_responded_on <= w.as_of_on, false
                )
            )
            or t.renews_on <= w.as_of_on
        """,
        why="A voice is the mean of its contacts' latest answers within the window, and NULL "
        "exactly where the account is silent; a renewal is still to come.",
    ),
    no_rows(
        "contributions",
        f"""
        with scores as (
            select
                metric, survey_type,
                100.0 * sum(promoters - detractors) / nullif(sum(responses), 0) as by_customer,
                avg(nps) as by_account,
                sum(arr * nps) filter (arr > 0) / sum(arr) filter (arr > 0 and nps is not null)
                    as by_revenue,
                sum(respondent_contribution) as respondents,
                sum(account_contribution) as accounts,
                sum(revenue_contribution) as revenue
            from {{batch}}
            group by all
        )

        select 1 from scores
        where {unequal("by_customer", "respondents")} or {unequal("by_account", "accounts")}
            or {unequal("by_revenue", "revenue")}
        """,
        why="What accounts contribute adds up to the scores by customer, by account, by revenue.",
    ),
    no_emails(),
)

_BY_ROLE = (
    keys(
        "keys",
        "account_key, metric, survey_type, role",
        also=f"""
            {_CUSTOMERS_METRIC}
            or t.responses < 1 or not coalesce(abs(t.nps) <= 100, false)
            or t.last_score is null
            or t.last_nps_class not in (select nps_class from seeds.metric_scales)
            or t.decides is distinct from coalesce(
                (select r.decides from seeds.account_roles as r where r.role = t.role), false
            )
            or t.last_responded_on > (select as_of_on from raw.workspace)""",
        scope="table",
        why="A role of an account that ever answered has one row, with its last answer.",
    ),
    no_rows(
        "last",
        """
        select 1
        from (
            select account_key, metric, survey_type, max(last_responded_on) as last_responded_on
            from {batch} group by all
        ) as t
        full join (
            select * from marts.account_nps where last_responded_on is not null
        ) as a using (account_key, metric, survey_type)
        where t.last_responded_on is distinct from a.last_responded_on
        """,
        why="The latest of the roles' last answers is the account's.",
    ),
    no_emails(),
)

_BY_PERIOD = (
    keys(
        "keys",
        f"{_PERIOD}, basis",
        also=f"""
            {_CUSTOMERS_METRIC} or t.basis not in ('customers', 'accounts', 'revenue')
            or t.time_grain not in ({grains("month", "quarter", "year", "all")})""",
        scope="table",
        why="A period has one row per metric of customers, survey type and basis.",
    ),
    no_rows(
        "figures",
        f"""
        select 1 from {{batch}} as t cross join raw.workspace as w
        where t.accounts < 1 or least(t.promoters, t.passives, t.detractors) < 0
            or t.responses is distinct from t.promoters + t.passives + t.detractors
            or t.responses < t.accounts
            or t.silent_accounts not between 0 and t.known_accounts - t.accounts
            or (t.basis <> 'revenue' and t.silent_accounts <> t.known_accounts - t.accounts)
            or {unequal("t.account_coverage", "1 - t.silent_accounts / t.known_accounts")}
            or {unequal("t.revenue_coverage", "t.answered_arr / nullif(t.known_arr, 0)")}
            or t.is_suppressed is distinct from (t.accounts < w.min_group_size)
            or (t.nps is null) <> t.is_suppressed
            or (t.standard_error is null) <> t.is_suppressed
            or (t.ci_low is null) <> t.is_suppressed
            or (t.ci_high is null) <> t.is_suppressed
            or (t.effective_accounts is null) <> t.is_suppressed
            or t.effective_accounts < 1 - {TOLERANCE}
            or t.effective_accounts > t.accounts + {TOLERANCE}
            or (t.basis = 'accounts' and abs(t.effective_accounts - t.accounts) > {TOLERANCE})
            or (
                t.basis = 'customers' and abs(
                    t.nps - 100.0 * (t.promoters - t.detractors) / t.responses
                ) > {TOLERANCE}
            )
            or t.standard_error < 0
            or not (-100 <= t.ci_low and t.ci_low < t.ci_high and t.ci_high <= 100)
        """,
        why="By customer the score is that of the contacts' classes; weights are worth at most as "
        "many accounts as there are; a cell of few accounts has counts alone.",
    ),
    no_rows(
        "one_period",
        f"""
        select 1 from {{batch}}
        group by {_PERIOD}
        having count(distinct known_accounts) > 1 or count(distinct silent_accounts) > 1
            or count(distinct period_end) > 1 or count(*) filter (basis = 'customers') <> 1
            or count(distinct accounts) filter (basis <> 'revenue') <> 1
        """,
        why="The bases of a period speak of the same accounts; that of revenue may lack some.",
    ),
)

ACCOUNTS: dict[str, tuple[Check, ...]] = {
    "account_nps": _NOW,
    "account_nps_by_role": _BY_ROLE,
    "account_nps_by_period": _BY_PERIOD,
}
