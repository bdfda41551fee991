"""Checks of profiles: who the promoters are, and which detractors cost support."""

from __future__ import annotations

from expectations import Check, no_rows
from expectations.suites.common import (
    MOMENT,
    TOLERANCE,
    assumed,
    corrected,
    keys,
    no_emails,
    p_value_is_wrong,
    unequal,
)

_KEY = "metric, survey_type, kind, attribute, level"
_PRIOR = assumed("log_odds_prior")
_Z = assumed("confidence_z")
# How many standard errors a figure is from no difference, by the width of its interval.
_LOG_ODDS_ROOT = f"2 * {_Z} * abs(t.log_odds) / (t.log_odds_ci_high - t.log_odds_ci_low)"
_RATIO_ROOT = f"""2 * {_Z} * abs(ln(nullif(t.rate_ratio, 0)))
    / ln(nullif(t.ci_high, 0) / nullif(t.ci_low, 0))"""


def _logit(of: str) -> str:
    return f"ln((t.{of}promoters + {_PRIOR}) / (t.{of}voices - t.{of}promoters + {_PRIOR}))"


def _other_levels(counts: tuple[str, str]) -> Check:
    """A value and the others add up to the same in all rows of an attribute."""
    unlike = " or ".join(f"count(distinct {own} + other_{own}) > 1" for own in counts)
    return no_rows(
        "others",
        f"""
        select 1 from {{batch}} group by metric, survey_type, kind, attribute
        having {unlike} or sum({counts[0]}) <> any_value({counts[0]} + other_{counts[0]})
        """,
        scope="table",
        why="A value and all others are the same voices, whichever value it is.",
    )


PROFILES: dict[str, tuple[Check, ...]] = {
    "promoter_profile": (
        keys(
            "keys",
            _KEY,
            also="""
                t.kind not in ('segment', 'answer', 'metric')
                or (t.kind = 'segment' and t.attribute not in (
                    select published_name from raw.segments))""",
            scope="table",
            why="A value of an attribute has one row per metric of customers and survey type.",
        ),
        no_rows(
            "figures",
            f"""
            select 1 from {{batch}} as t cross join raw.workspace as w
            where t.is_suppressed is distinct from (
                    least(t.voices, t.other_voices) < w.min_group_size)
                or (t.promoters is null) <> t.is_suppressed
                or (t.p_value is null) <> t.is_suppressed
                or t.promoters not between 0 and t.voices
                or t.other_promoters not between 0 and t.other_voices
                or {unequal("t.share", "1.0 * t.promoters / t.voices")}
                or {unequal("t.other_share", "1.0 * t.other_promoters / t.other_voices")}
                or {unequal("t.lift", "t.share / nullif(t.other_share, 0)")}
                or t.lift_ci_low > t.lift + {TOLERANCE} or t.lift_ci_high < t.lift - {TOLERANCE}
                -- on the scale of logarithms the lift is in the middle
                or abs(t.lift_ci_low * t.lift_ci_high - t.lift * t.lift)
                    > {TOLERANCE} * (1 + t.lift * t.lift)
                or {unequal("t.log_odds", f"{_logit('')} - {_logit('other_')}")}
                or {unequal("t.log_odds_ci_low + t.log_odds_ci_high", "2 * t.log_odds")}
                or t.log_odds_ci_low >= t.log_odds
                or {p_value_is_wrong(_LOG_ODDS_ROOT)}
            """,
            why="Shares, lift and log-odds follow from the counts, and are NULL exactly where the "
            "value or the others are fewer than min_group_size.",
        ),
        _other_levels(("voices", "promoters")),
        no_rows(
            "of_the_facts",
            f"""
            with latest as (
                select
                    f.metric, f.survey_type, f.voice_key,
                    unnest(arg_max(
                        struct_pack(
                            contribution := contribution, level := coalesce(channel, '(unknown)')
                        ),
                        {MOMENT}
                    ))
                from marts.fct_nps_responses as f
                inner join seeds.metrics as m
                    on f.metric = m.metric and m.population = 'customers'
                cross join raw.workspace as w
                where responded_on > w.as_of_on - {assumed("key_driver_days")}::integer
                group by f.metric, f.survey_type, f.voice_key
            )

            select 1
            from (select * from {{batch}} where kind = 'answer' and attribute = 'channel') as t
            full join (
                select
                    metric, survey_type, level, count(*) as n,
                    count(*) filter (contribution > 0) as promoters
                from latest group by all
            ) as e using (metric, survey_type, level)
            where t.voices is distinct from e.n
                or (not t.is_suppressed and t.promoters is distinct from e.promoters)
            """,
            scope="table",
            why="Every voice counts once, with its latest answer of the days that count.",
        ),
        corrected("metric, survey_type"),
        no_emails(),
    ),
    "costly_profile": (
        keys(
            "keys",
            _KEY,
            also="""
                t.kind not in ('segment', 'answer')
                or (t.kind = 'segment' and t.attribute not in (
                    select published_name from raw.segments))""",
            scope="table",
            why="A value of an attribute has one row per metric and survey type.",
        ),
        no_rows(
            "figures",
            f"""
            select 1 from {{batch}} as t cross join raw.workspace as w
            where (t.tickets is null) <> (least(t.customers, t.other_customers) < w.min_group_size)
                or (t.tickets is null) is distinct from
                    coalesce(t.unknown_because = 'suppressed', false)
                or {unequal("t.mean_tickets", "1.0 * t.tickets / t.customers")}
                or {unequal("t.other_mean_tickets", "1.0 * t.other_tickets / t.other_customers")}
                or {unequal("t.rate_ratio", "t.mean_tickets / nullif(t.other_mean_tickets, 0)")}
                or {unequal("t.excess_tickets", "t.tickets - t.customers * t.other_mean_tickets")}
                or (t.ci_low is null) <> (t.unknown_because is not null)
                or (t.p_value is null) <> (t.ci_low is null)
                or t.ci_low >= t.ci_high
                -- on the scale of logarithms the ratio is in the middle
                or abs(t.ci_low * t.ci_high - t.rate_ratio * t.rate_ratio)
                    > {TOLERANCE} * (1 + t.rate_ratio * t.rate_ratio)
                or {p_value_is_wrong(_RATIO_ROOT)}
            """,
            why="Means and their ratio follow from the counts; a ratio has an interval, or says "
            "why it has none.",
        ),
        _other_levels(("customers", "tickets")),
        corrected("metric, survey_type"),
        no_emails(),
    ),
}
