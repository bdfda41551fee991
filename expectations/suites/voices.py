"""Checks of what customers had said by each day: the latest answers, and nothing later."""

from __future__ import annotations

from expectations import Check, no_rows
from expectations.suites.common import keys

_METRICS = ("nps", "csat", "ces")
# A class is there with its days, within 365 of them, and is one of its metric's.
_ANSWERS = " or ".join(
    f"""(t.class_{metric} is null) <> (t.days_since_{metric} is null)
                or t.days_since_{metric} not between 0 and 364
                or (t.class_{metric} is not null and t.class_{metric} not in (
                    select nps_class from seeds.metric_scales where metric = '{metric}'
                ))"""
    for metric in _METRICS
)
_LATEST = ", ".join(
    f"max(responded_on) filter (metric = '{metric}') as {metric}" for metric in _METRICS
)
_DIFFERS = " or ".join(
    f"v.days_since_{metric} is distinct from f.as_of_on - a.{metric}" for metric in _METRICS
)

VOICES: dict[str, tuple[Check, ...]] = {
    "customer_voice_features": (
        keys(
            "keys",
            "customer_key, as_of_on",
            also="t.as_of_on > (select as_of_on from raw.workspace)",
            scope="table",
            why="A customer has one row per feature day.",
        ),
        no_rows(
            "figures",
            f"""
            select 1 from {{batch}} as t
            where {_ANSWERS}
                or coalesce(t.class_nps, t.class_csat, t.class_ces) is null
                or (t.headline_direction is null) <> (t.previous_headline_class is null)
                or (t.headline_direction = 'same') <> (t.headline_class = t.previous_headline_class)
                or t.headline_direction not in ('improved', 'worsened', 'same')
                or not coalesce(t.headline_changes_365d >= 0, false)
                or not coalesce(t.detractor_themes_365d between 0 and t.themes_365d, false)
                or (t.other_voices_365d is null) <> (t.account_key is null)
                or t.other_voices_365d < 0
                or (t.other_voices_nps is null) <> (coalesce(t.other_voices_365d, 0) = 0)
                or not (t.other_voices_nps between -100 and 100)
            """,
            why="Every row has an answer of 365 days; a direction has two classes, a score voices.",
        ),
        no_rows(
            "latest",
            f"""
            -- a leak shows in the oldest rows; a lost answer in the newest
            with days as (
                select min(as_of_on) as as_of_on from marts.customer_nps_features
                union
                select max(as_of_on) as as_of_on from marts.customer_nps_features
            ),

            answers as (
                select f.customer_key, days.as_of_on, {_LATEST}
                from marts.fct_nps_responses as f
                inner join days
                    on f.responded_on <= days.as_of_on and f.responded_on > days.as_of_on - 365
                where f.customer_key is not null
                group by all
            ),

            features as (
                select t.* from marts.customer_nps_features as t
                inner join days on t.as_of_on = days.as_of_on
            ),

            voices as (
                select t.* from {{batch}} as t inner join days on t.as_of_on = days.as_of_on
            )

            select 1
            from features as f
            left join answers as a on f.customer_key = a.customer_key and f.as_of_on = a.as_of_on
            left join voices as v on f.customer_key = v.customer_key and f.as_of_on = v.as_of_on
            where {_DIFFERS}
                or (v.customer_key is not null and v.headline_class is distinct from f.last_class)
            union all
            select 1
            from voices as v
            left join features as f on v.customer_key = f.customer_key and v.as_of_on = f.as_of_on
            where f.customer_key is null
            """,
            scope="table",
            why="Whoever answered within 365 days has a row beside that of customer_nps_features, "
            "with the latest answer up to that day and none later.",
        ),
    ),
}
