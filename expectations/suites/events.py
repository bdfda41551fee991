"""Checks of what events did to the score."""

from __future__ import annotations

from expectations import Check, no_rows
from expectations.suites.common import MOMENT, TOLERANCE, keys

# Each voice's latest answer on either side of an event, from the facts, where every dimension is a
# column of its name but for the survey.
_VOICES = f"""
    with answers as (
        select
            e.event, e.window_days, e.happened_on, r.metric, r.survey_type, r.voice_key,
            r.responded_on >= e.happened_on as is_after,
            case when e.dimension = 'all' then 'all' else json_extract_string(
                to_json(r), '$."' || if(e.dimension = 'survey', 'survey_id', e.dimension) || '"'
            ) end as segment,
            e.segment as affected, r.contribution, {MOMENT} as moment
        from raw.events as e
        inner join (select * from marts.fct_nps_responses) as r
            on r.responded_on >= e.happened_on - e.window_days
            and r.responded_on < e.happened_on + e.window_days
    ),

    voices as (
        select
            event, metric, survey_type, voice_key, is_after,
            arg_max(segment, moment) as segment, arg_max(contribution, moment) as contribution,
            any_value(affected) as affected
        from answers
        group by event, metric, survey_type, voice_key, is_after
    )
"""

EVENTS: dict[str, tuple[Check, ...]] = {
    "nps_event_effects": (
        keys(
            "keys",
            "event, metric, survey_type",
            also="""
                t.happened_on is null or t.dimension is null or t.segment is null
                or t.window_days < 1 or t.is_complete is null
                or (t.dimension = 'all') <> (t.segment = 'all')""",
            why="An event has one row for each metric and survey type.",
        ),
        no_rows(
            "scores",
            f"""
            {_VOICES},

            sides as (
                select
                    event, metric, survey_type,
                    affected = 'all' or segment = affected as is_of_segment,
                    count(*) filter (not is_after) as before, count(*) filter (is_after) as after,
                    avg(contribution) filter (not is_after) as nps_before,
                    avg(contribution) filter (is_after) as nps_after
                from voices
                where affected = 'all' or segment is not null
                group by all
            )

            select 1 from {{batch}} as t
            left join sides as s
                on t.event = s.event and t.metric = s.metric and t.survey_type = s.survey_type
                and s.is_of_segment
            left join sides as o
                on t.event = o.event and t.metric = o.metric and t.survey_type = o.survey_type
                and not o.is_of_segment
            where t.responses_before is distinct from s.before
                or t.responses_after is distinct from s.after
                or t.spared_responses_before is distinct from o.before
                or t.spared_responses_after is distinct from o.after
                or abs(t.nps_before - s.nps_before) > {TOLERANCE}
                or abs(t.nps_after - s.nps_after) > {TOLERANCE}
                or abs(t.spared_change - (o.nps_after - o.nps_before)) > {TOLERANCE}
            """,
            why="The sides of an event are the voices' latest answers in its days.",
        ),
        no_rows(
            "effects",
            f"""
            select 1 from {{batch}} as t
            where (least(t.responses_before, t.responses_after)
                    < (select min_group_size from raw.workspace)) <> (t.change is null)
                or abs(t.change - (t.nps_after - t.nps_before)) > {TOLERANCE}
                or abs(t.effect - (t.change - coalesce(t.spared_change, 0))) > {TOLERANCE}
                or (t.dimension <> 'all' and (t.spared_change is null) <> (t.effect is null))
                or (t.untested_because is null)
                    <> coalesce(t.p_value between 0 and 1 and t.ci_low < t.ci_high, false)
                or (t.p_value < 0.04 and t.ci_low < 0 and t.ci_high > 0)
            """,
            why="An effect is a change less that of those who were spared; it is tested, or says "
            "why not.",
        ),
    ),
}
