"""Checks of the list of whom to contact today."""

from __future__ import annotations

from expectations import Check, no_rows
from expectations.suites.common import TOLERANCE, assumed, keys, unequal

ACTIONS: dict[str, tuple[Check, ...]] = {
    "nps_actions": (
        keys(
            "keys",
            "customer_key",
            also="t.action_key is null or t.response_key is null",
            scope="table",
            why="A customer is listed once.",
        ),
        no_rows(
            "answers",
            f"""
            select 1 from {{batch}} as t
            cross join raw.workspace as w
            left join marts.fct_nps_responses as r on t.response_key = r.response_key
            left join seeds.follow_up_actions as a
                on t.action = a.action and t.nps_class = a.nps_class
            where r.metric is distinct from 'nps'
                or t.customer_key is distinct from r.customer_key
                or t.nps_class is distinct from r.nps_class
                or t.score is distinct from r.score
                or r.responded_on <= w.as_of_on - {assumed("action_days")}::int
                or a.min_score is null or t.score < a.min_score
            union all
            select 1 from {{batch}} as t
            inner join marts.fct_nps_responses as later
                on t.customer_key = later.customer_key and later.metric = 'nps'
            where later.responded_at > t.responded_at
            """,
            scope="table",
            why="The reason is the customer's newest NPS answer, recent, and the action suits it.",
        ),
        no_rows(
            "left_alone",
            """
            select 1 from {batch} as t
            inner join marts.dim_customers as c on t.customer_key = c.customer_key
            where not c.is_active
            union all
            select 1 from {batch} as t
            inner join marts.survey_fatigue as f on t.customer_key = f.customer_key
            where f.opted_out_on is not null
            """,
            scope="table",
            why="Nobody is contacted who left or asked not to be.",
        ),
        no_rows(
            "figures",
            f"""
            select 1 from {{batch}} as t cross join raw.workspace as w
            where {unequal("t.mrr_at_risk", "t.mrr * t.chance_to_leave")}
                or t.chance_to_leave not between 0 and 1
                or t.sla_state is distinct from case
                    when t.contact_due_at is null then 'no_target'
                    when t.contact_due_at < w.as_of_at then 'overdue'
                    else 'in_time'
                end
                or abs(t.hours_since_answer * 3600 - epoch(w.as_of_at - t.responded_at))
                    > 1 + {TOLERANCE}
            union all
            select 1 from {{batch}}
            having count(*) <> count(distinct call_rank) or count(*) <> coalesce(max(call_rank), 0)
            """,
            scope="table",
            why="What is at risk follows from the chance, lateness from the target, and everybody "
            "has a place in the order of calling.",
        ),
    ),
}
