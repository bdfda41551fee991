"""Checks of the headline: its window, its voices and those it is compared with.

Whatever follows from the answers is computed from them again.
"""

from __future__ import annotations

from expectations import Check, no_rows
from expectations.suites.common import SCORES_WITH_COUNTS, TOLERANCE, keys, no_emails

_SERIES = "metric, survey_type"
# days before the headline's window ends at which the window compared with ends
_BACK = {"previous_window": "h.window_days", "year_before": "365"}

# Each voice's latest answer of every window: the headline's and those it is compared with.
_SPANS = " union all ".join(
    [
        "select metric, survey_type, 'headline' as span, starts_on, ends_on from {batch}",
        *(
            f"select metric, survey_type, '{name}', starts_on - {back}, ends_on - {back} "
            "from {batch} as h where window_days is not null"
            for name, back in _BACK.items()
        ),
    ]
)
_VOICES = f"""
    spans as ({_SPANS}),

    voices as (
        select
            s.metric, s.survey_type, s.span, f.voice_key, count(*) as answers,
            sign(arg_max(
                f.contribution,
                struct_pack(
                    responded_at := f.responded_at,
                    version_at := coalesce(f.version_at, timestamp '0001-01-01'),
                    length := length(f.response_id),
                    response_id := f.response_id,
                    source := f.source
                )
            )) as mark
        from spans as s
        inner join marts.fct_nps_responses as f
            on f.metric = s.metric and f.survey_type = s.survey_type
            and f.responded_on between s.starts_on and s.ends_on
        group by s.metric, s.survey_type, s.span, f.voice_key
    )"""

_CHANGES = " or ".join(
    f"""
    (t.window_days is not null and t.{name}_responses is distinct from coalesce(c.{name}, 0))
    or (t.window_days is null) <> (t.{name}_untested_because is not distinct from 'no_window')
    or (t.{name}_p_value is null) <> (t.{name}_untested_because is not null)
    or (t.{name}_p_value is null) <> (t.{name}_is_significant is null)
    or t.{name}_is_significant <> (t.{name}_p_value <= t.significance_level)
    or abs(t.{name}_change - (t.nps - t.{name}_nps)) > {TOLERANCE}
    or t.{name}_shared_voices <> coalesce(c.shared_{name}, 0)
    or t.{name}_moved_voices <> coalesce(c.moved_{name}, 0)
    or t.{name}_moved_voices > t.{name}_shared_voices"""
    for name in _BACK
)
_COUNTED = ", ".join(
    f"""
    count(*) filter (v.span = '{name}') as {name},
    count(*) filter (v.span = '{name}' and own.mark is not null) as shared_{name},
    count(*) filter (v.span = '{name}' and own.mark <> v.mark) as moved_{name}"""
    for name in _BACK
)

HEADLINE: dict[str, tuple[Check, ...]] = {
    "nps_headline": (
        keys(
            "keys",
            _SERIES,
            also="""
                t.ends_on <> (select as_of_on from raw.workspace)
                or t.responses = 0 or t.starts_on > t.ends_on
                or t.window_days <> t.ends_on - t.starts_on + 1
                or t.window_days < t.declared_window_days""",
            scope="table",
            why="A metric and survey type has one headline: of a window that ends at as_of and is "
            "no shorter than the declared one, or of all of history.",
        ),
        SCORES_WITH_COUNTS,
        no_rows(
            "voices",
            f"""
            with {_VOICES},

            expected as (
                select
                    metric, survey_type,
                    count(*) filter (mark = 1) as promoters,
                    count(*) filter (mark = 0) as passives,
                    count(*) filter (mark = -1) as detractors,
                    sum(answers) as answers,
                    sum(answers) * sum(answers) / sum(answers * answers) as effective_voices
                from voices where span = 'headline' group by all
            )

            select 1
            from expected as e full join {{batch}} as t using ({_SERIES})
            where e.promoters is distinct from t.promoters
                or e.passives is distinct from t.passives
                or e.detractors is distinct from t.detractors
                or e.answers is distinct from t.answers
                or abs(e.effective_voices - t.effective_voices) > {TOLERANCE}
            union all
            select 1 from (
                select {_SERIES} from marts.fct_nps_responses
                except select {_SERIES} from {{batch}}
            )
            """,
            why="Every metric and survey type with answers has a headline, and each of its voices "
            "counts once in it, by the latest answer of the window.",
        ),
        no_rows(
            "changes",
            f"""
            with {_VOICES},

            counted as (
                select v.metric, v.survey_type, {_COUNTED}
                from voices as v
                left join (select * from voices where span = 'headline') as own
                    using ({_SERIES}, voice_key)
                group by all
            )

            select 1
            from {{batch}} as t left join counted as c using ({_SERIES})
            where {_CHANGES}
            """,
            why="The windows compared with hold the voices that answered in them; a change is the "
            "difference of the scores shown, and is tested or says why it is not.",
        ),
        no_emails(),
    ),
}
