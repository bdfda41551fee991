"""Checks of what became of answers: their follow-up, and the voice's next answer."""

from __future__ import annotations

from expectations import Check, no_rows
from expectations.suites.common import TOLERANCE, assumed, grains, keys, no_emails

_PAIR = "metric, survey_type"
_SLA_CELL = f"time_grain, period_start, {_PAIR}, nps_class"
_SLA_COUNTS = (
    *("cases", "contacted", "due", "within_sla", "answered_again", "recovered", "open_cases"),
    *("overdue", "reopened", "closed", "explained"),
)
_MATRIX_CELL = f"time_grain, period_start, {_PAIR}, from_class, follow_up"


def share_is_wrong(share: str, k: str, n: str, is_shown: str, bounds: str) -> str:
    """A condition of rows whose share is not k / n, or whose bounds are not Wilson's.

    The bounds are where the score test is as far off as ``assumed.z``: the roots of a parabola.
    The share is NULL exactly where ``is_shown`` does not hold.
    """
    ends = " ".join(
        f"""
        or ({end} is null) <> (t.{share} is null)
        or abs(
            (t.{share} - {end}) * (t.{share} - {end})
            - assumed.z * assumed.z * {end} * (1 - {end}) / {n}
        ) > {TOLERANCE}"""
        for end in (f"t.{bounds}ci_low", f"t.{bounds}ci_high")
    )
    return f"""(
        (t.{share} is null) = ({is_shown})
        or abs(t.{share} * {n} - {k}) > {TOLERANCE} * {n}
        or t.{bounds}ci_low > t.{share} + {TOLERANCE} or t.{bounds}ci_low < 0
        or t.{bounds}ci_high < t.{share} - {TOLERANCE} or t.{bounds}ci_high > 1 {ends}
    )"""


_ASSUMED = f"""
    cross join raw.workspace as w cross join (select {assumed("confidence_z")} as z) as assumed"""


def _segments_add_up(cell: str, counts: tuple[str, ...]) -> str:
    """A query of cells whose segments do not add up to the total, in any dimension."""
    sums = ", ".join(f"sum({count}) as {count}" for count in counts)
    differ = " or ".join(f"p.{count} <> a.{count}" for count in counts)
    return f"""
        select 1
        from (select {cell}, dimension, {sums} from {{batch}} group by all) as p
        left join (select {cell}, {sums} from {{batch}} where dimension = 'all' group by all) as a
            using ({cell})
        where a.{counts[0]} is null or {differ}"""


FOLLOW_UPS: dict[str, tuple[Check, ...]] = {
    "fct_follow_ups": (
        keys(
            "keys",
            "case_key",
            tables="left join marts.fct_nps_responses as r on t.response_key = r.response_key",
            also="""
                t.metric is distinct from r.metric or t.nps_class is distinct from r.nps_class
                or t.customer_key is distinct from r.customer_key
                or t.responded_on is distinct from r.responded_on""",
            scope="table",
            why="A case has one row, with the metric, class, customer and day of its answer.",
        ),
        no_rows(
            "all_cases",
            """
            select 1
            from (select count(*) as cases from {batch}) as t
            cross join (
                select coalesce(sum(rows_accepted), 0) as accepted
                from marts.ingest_reconciliation where entity = 'follow_ups'
            ) as r
            where t.cases <> r.accepted
            """,
            why="Every accepted case is there, whether its answer is accepted or not.",
        ),
        no_rows(
            "targets",
            """
            select 1 from {batch} as t cross join raw.workspace as w
            where t.first_contact_at >= w.as_of_at or t.closed_at >= w.as_of_at
                or (t.contact_due_at is not null and t.contact_sla_hours is null)
                or t.is_within_sla is distinct from (
                    case
                        when t.contact_due_at is null then null
                        when t.hours_to_first_contact <= t.contact_sla_hours then true
                        when t.contact_due_at > w.as_of_at then null
                        else false
                    end
                )
                or t.is_overdue is distinct from (t.is_open and (
                    coalesce(t.first_contact_at is null and t.contact_due_at < w.as_of_at, false)
                    or coalesce(t.close_due_at < w.as_of_at, false)
                ))
                or (t.closed_at is null and not t.is_open)
                or t.hours_to_first_contact < 0 or t.hours_to_close < 0
            """,
            why="Whether a case is in time or overdue follows from its times, its targets and "
            "as_of.",
        ),
        no_rows(
            "recovery",
            """
            select 1 from {batch} as t
            where (t.is_recovered is not null and (t.next_class is null or t.is_open))
                or (t.is_recovered and t.next_class = t.nps_class)
            """,
            why="Only a closed case whose customer answered again can say whether it helped.",
        ),
        no_rows(
            "few_words",
            """
            select 1 from (
                select unnest([root_cause, action]) as word, unnest(['c', 'a']) as kind from {batch}
            )
            where word is not null and word <> '(other)'
            group by word, kind
            having count(*) < (select min_group_size from raw.workspace)
            """,
            why="What fewer than min_group_size cases say may be a sentence about a person, and is"
            " not published.",
        ),
        no_emails(),
    ),
    "follow_up_sla": (
        keys(
            "keys",
            f"{_SLA_CELL}, dimension, segment",
            also=f"""
                t.period_end is null or t.period_end < t.period_start
                or t.time_grain not in ({grains("month", "quarter", "year", "all")})""",
            why="A segment has one row a period and class.",
        ),
        no_rows(
            "shares",
            f"""
            select 1 from {{batch}} as t {_ASSUMED}
            where {
                share_is_wrong(
                    "within_sla_share",
                    "t.within_sla",
                    "t.due",
                    "t.due >= w.min_group_size",
                    "within_sla_",
                )
            } or {
                share_is_wrong(
                    "recovered_share",
                    "t.recovered",
                    "t.answered_again",
                    "t.answered_again >= w.min_group_size",
                    "recovered_",
                )
            } or t.is_suppressed is distinct from (t.cases < w.min_group_size)
                or (t.median_hours_to_first_contact is null)
                    = (t.contacted >= w.min_group_size)
                or (t.p90_hours_to_first_contact is null) = (t.contacted >= w.min_group_size)
                or t.open_cases + t.closed <> t.cases
            """,
            why="Shares follow from the counts, with Wilson's bounds, and are NULL where they rest "
            "on fewer than min_group_size cases.",
        ),
        no_rows(
            "adds_up",
            _segments_add_up(_SLA_CELL, _SLA_COUNTS),
            why="In every dimension the segments add up to all cases of the period and class.",
        ),
        no_rows(
            "of_the_cases",
            f"""
            with counted as (
                select
                    {_PAIR}, nps_class, count(*) as cases,
                    count(hours_to_first_contact) as contacted,
                    count(*) filter (is_open) as open_cases,
                    count(*) filter (is_overdue) as overdue,
                    count(*) filter (is_reopened) as reopened,
                    count(*) filter (is_recovered) as recovered,
                    list_sort(list(hours_to_first_contact) filter (
                        hours_to_first_contact is not null
                    )) as hours
                from marts.fct_follow_ups where metric is not null
                group by all
            )

            select 1
            from (
                select * from {{batch}} where time_grain = 'all' and dimension = 'all'
            ) as t
            full join counted as c
                on t.metric = c.metric and t.survey_type is not distinct from c.survey_type
                and t.nps_class = c.nps_class
            where t.cases is distinct from c.cases or t.contacted is distinct from c.contacted
                or t.open_cases is distinct from c.open_cases
                or t.overdue is distinct from c.overdue
                or t.reopened is distinct from c.reopened
                or t.recovered is distinct from c.recovered
                or abs(
                    t.median_hours_to_first_contact - (
                        c.hours[(c.contacted + 1) // 2] + c.hours[(c.contacted + 2) // 2]
                    ) / 2
                ) > {TOLERANCE} * (1 + t.median_hours_to_first_contact)
                or t.p90_hours_to_first_contact
                    < c.hours[1 + 9 * (c.contacted - 1) // 10] - {TOLERANCE}
                or t.p90_hours_to_first_contact
                    > c.hours[least(2 + 9 * (c.contacted - 1) // 10, c.contacted)] + {TOLERANCE}
            """,
            why="Counts and quantiles are those of the cases of fct_follow_ups.",
        ),
    ),
    "follow_up_effect": (
        keys(
            "keys",
            f"{_PAIR}, nps_class, measure",
            also="""
                t.measure not in ('recovered', 'next_nps', 'answered_again', 'retained')
                or t.metric <> 'nps'""",
            why="A measure has one row a class.",
        ),
        no_rows(
            "differences",
            f"""
            select 1 from {{batch}} as t cross join raw.workspace as w
            where t.is_suppressed is distinct from (
                    least(t.listed_observed, t.held_out_observed) < w.min_group_size
                )
                or t.is_suppressed <> (t.difference is null)
                or t.is_suppressed <> (t.ci_low is null) or t.is_suppressed <> (t.ci_high is null)
                or abs(t.listed_value - t.held_out_value - t.difference) > {TOLERANCE}
                or t.ci_low >= t.ci_high
                or (t.measure <> 'next_nps' and (
                    t.ci_low > t.difference + {TOLERANCE} or t.ci_high < t.difference - {TOLERANCE}
                    or not t.listed_value between 0 and 1 or not t.held_out_value between 0 and 1
                ))
                or t.listed_observed > t.listed_customers or t.listed_contacted > t.listed_customers
                or t.held_out_observed > t.held_out_customers
                or t.held_out_contacted > t.held_out_customers
            """,
            why="The difference is that of the two values and within its interval; it is NULL where"
            " one side is smaller than min_group_size.",
        ),
        no_rows(
            "of_the_answers",
            f"""
            select 1
            from (
                select {_PAIR}, nps_class, min(listed_customers + held_out_customers) as customers
                from {{batch}} group by all
            ) as t
            full join (
                select {_PAIR}, nps_class, count(distinct customer_key) as customers
                from marts.fct_nps_responses as r cross join raw.workspace as w
                where metric = 'nps' and contribution < 100 and customer_key is not null
                    and responded_on >= coalesce(w.holdout_since, responded_on)
                    and w.holdout_share > 0
                group by all
            ) as r using ({_PAIR}, nps_class)
            where t.customers is distinct from r.customers
            """,
            why="Every customer with an answer below the best class is listed or held out, once a"
            " class; without a hold-out there is nothing to compare.",
        ),
    ),
    "fct_nps_transitions": (
        keys(
            "keys",
            "response_key",
            tables="""
                left join marts.fct_nps_responses as a on t.response_key = a.response_key
                left join marts.fct_nps_responses as b on t.next_response_key = b.response_key""",
            also="""
                a.voice_key is distinct from t.voice_key or b.voice_key is distinct from t.voice_key
                or a.metric is distinct from t.metric or b.metric is distinct from t.metric
                or a.survey_type is distinct from t.survey_type
                or b.survey_type is distinct from t.survey_type
                or a.nps_class is distinct from t.from_class
                or b.nps_class is distinct from t.to_class
                or t.next_responded_at < t.responded_at
                or t.days_between is distinct from t.next_responded_on - t.responded_on""",
            scope="table",
            why="Both answers of a pair are one voice's to one metric and survey type, the later "
            "one later, with the published classes.",
        ),
        no_rows(
            "consecutive",
            f"""
            select 1
            from (
                select count(*) as pairs, count(distinct next_response_key) as followers
                from {{batch}}
            ) as t
            cross join (
                select count(*) as answers, count(distinct (voice_key, {_PAIR})) as voices
                from marts.fct_nps_responses
            ) as r
            where t.pairs <> t.followers or t.pairs <> r.answers - r.voices
            """,
            why="Every answer but a voice's last is followed by one other, and none by two.",
        ),
    ),
    "nps_transition_matrix": (
        keys(
            "keys",
            f"{_MATRIX_CELL}, dimension, segment, to_class",
            also=f"""
                t.period_end is null or t.period_end < t.period_start
                or t.follow_up not in ('any', 'followed_up', 'not_followed_up')
                or t.time_grain not in ({grains("quarter", "year", "all")})""",
            why="A cell of the matrix has one row.",
        ),
        no_rows(
            "shares",
            f"""
            select 1 from {{batch}} as t {_ASSUMED}
            where t.is_suppressed is distinct from (t.from_transitions < w.min_group_size)
                or {
                share_is_wrong(
                    "share", "t.transitions", "t.from_transitions", "not t.is_suppressed", ""
                )
            } or {
                share_is_wrong(
                    "improved_share",
                    "t.improved",
                    "t.from_transitions",
                    "not t.is_suppressed",
                    "improved_",
                )
            }
            """,
            why="Shares follow from the counts, with Wilson's bounds, and are NULL where fewer "
            "than min_group_size came from the class.",
        ),
        no_rows(
            "row_sums",
            f"""
            select 1 from {{batch}}
            group by {_MATRIX_CELL}, dimension, segment
            having sum(transitions) <> min(from_transitions)
                or min(from_transitions) <> max(from_transitions) or min(improved) <> max(improved)
                or abs(sum(share) - 1) > {TOLERANCE} or min(improved) > min(from_transitions)
            """,
            why="Whoever was of a class is of some class next: the shares of a row add up to 1.",
        ),
        no_rows(
            "adds_up",
            f"""
            {_segments_add_up(_MATRIX_CELL, ("transitions",))}
            union all
            select 1 from {{batch}}
            group by {_MATRIX_CELL.replace(", follow_up", "")}, dimension, segment, to_class
            having 2 * sum(transitions) filter (follow_up = 'any') <> sum(transitions)
            union all
            select 1
            from (
                select coalesce(sum(transitions), 0) as pairs from {{batch}}
                where time_grain = 'all' and dimension = 'all' and follow_up = 'any'
            ) as t
            cross join (select count(*) as pairs from marts.fct_nps_transitions) as f
            where t.pairs <> f.pairs
            """,
            why="Segments, and pairs with and without a follow-up, add up to all pairs of "
            "fct_nps_transitions.",
        ),
    ),
}
