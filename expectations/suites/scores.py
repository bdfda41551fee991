"""Checks of scores over time, of goals and of how many answers a survey needs.

Whatever follows from the facts or the published periods is computed from them again; windows and
targets are read from ``raw`` and ``seeds``.
"""

from __future__ import annotations

from expectations import Check, no_rows
from expectations.suites.common import (
    CELL,
    CELLS,
    COUNTS,
    SCORES_WITH_COUNTS,
    TOLERANCE,
    keys,
    no_emails,
    unequal,
)

_SERIES = "metric, survey_type"
_ROLLING = f"as_of_on, window_days, {_SERIES}"

_sums = ", ".join(f"sum({count}) as {count}" for count in COUNTS)
_differ = " or ".join(f"a.{count} is distinct from b.{count}" for count in COUNTS)


SCORES: dict[str, tuple[Check, ...]] = {
    "fct_nps_rolling": (
        keys(
            "keys",
            f"{_ROLLING}, dimension, segment",
            also="""
                t.window_days not in (select window_days from raw.rolling_windows)
                or t.as_of_on > (select as_of_on from raw.workspace)
                or t.responses = 0 or (t.dimension = 'all' and t.segment <> 'all')""",
            why="A segment has one row per day and declared window in which it has answers, and "
            "none after as_of.",
        ),
        SCORES_WITH_COUNTS,
        no_rows(
            "every_day",
            """
            with days as (
                select distinct metric, survey_type, responded_on from marts.fct_nps_responses
            ),

            -- days of answers stay for a window's length, or until the next of them
            expected as (
                select
                    d.metric, d.survey_type, r.window_days,
                    sum(least(r.window_days, d.days)) as days
                from (
                    select
                        days.metric,
                        days.survey_type,
                        lead(responded_on, 1, w.as_of_on + 1) over (
                            partition by days.metric, days.survey_type order by responded_on
                        ) - responded_on as days
                    from days cross join raw.workspace as w
                ) as d
                cross join raw.rolling_windows as r
                group by all
            ),

            found as (
                select metric, survey_type, window_days, count(*) as days
                from {batch} where dimension = 'all' group by all
            )

            select 1
            from expected as a full join found as b using (metric, survey_type, window_days)
            where a.days is distinct from b.days
            """,
            why="The total has a row, without gaps, for each day whose window has an answer.",
        ),
        no_rows(
            "recomputed",
            f"""
            with days as (
                -- on the first day no answer may have left yet; on the last every old one has
                select as_of_on from raw.workspace
                union
                select min(f.responded_on) + max(r.window_days)
                from marts.fct_nps_responses as f cross join raw.rolling_windows as r
            ),

            latest as (
                select
                    days.as_of_on,
                    r.window_days,
                    f.metric,
                    f.survey_type,
                    arg_max(
                        struct_pack(
                            contribution := f.contribution,
                            channel := coalesce(f.channel, '(unknown)'),
                            touchpoint := coalesce(f.touchpoint, '(unknown)'),
                            survey := coalesce(f.survey_id, '(unknown)')
                        ),
                        struct_pack(
                            responded_at := f.responded_at,
                            version_at := coalesce(f.version_at, timestamp '0001-01-01'),
                            length := length(f.response_id),
                            response_id := f.response_id,
                            source := f.source
                        )
                    ) as answer
                from marts.fct_nps_responses as f
                cross join raw.rolling_windows as r
                inner join days
                    on f.responded_on <= days.as_of_on
                    and f.responded_on > days.as_of_on - r.window_days
                group by days.as_of_on, r.window_days, f.metric, f.survey_type, f.voice_key
            ),

            expected as (
                select
                    {_ROLLING}, d.dimension, d.segment,
                    count(*) filter (answer.contribution > 0) as promoters,
                    count(*) filter (answer.contribution = 0) as passives,
                    count(*) filter (answer.contribution < 0) as detractors
                from latest
                cross join lateral (
                    values ('all', 'all'), ('channel', answer.channel),
                        ('touchpoint', answer.touchpoint), ('survey', answer.survey)
                ) as d (dimension, segment)
                where as_of_on <= (select as_of_on from raw.workspace)
                group by all
            )

            select 1
            from expected as a
            full join (
                select * from {{batch}}
                where as_of_on in (select as_of_on from days)
                    and dimension in ('all', 'channel', 'touchpoint', 'survey')
            ) as b using ({_ROLLING}, dimension, segment)
            where {_differ}
            """,
            why="At as_of, and on the day when the first answers left the longest window, exactly"
            " the latest answer of every voice within the window counts.",
        ),
        no_rows(
            "adds_up",
            f"""
            with dimensions as (
                select published_name as dimension from raw.segments
                union all
                select unnest(['channel', 'touchpoint', 'survey'])
            ),

            totals as (
                select t.* exclude (dimension), d.dimension
                from {{batch}} as t cross join dimensions as d where t.dimension = 'all'
            ),

            parts as (
                select {_ROLLING}, dimension, {_sums}
                from {{batch}} where dimension <> 'all' group by all
            )

            select 1
            from totals as a full join parts as b using ({_ROLLING}, dimension)
            where {_differ}
            """,
            why="On every day the segments of every dimension add up to the window's total.",
        ),
        no_emails(
            _ROLLING.replace(", metric, survey_type", ""),
            "responses, promoters, passives, detractors",
            "nps, standard_error, ci_low, ci_high, is_suppressed",
        ),
    ),
    "nps_goal": (
        keys(
            "keys",
            f"{CELL}, target",
            why="The latest period of a segment has one row per target.",
        ),
        no_rows(
            "latest",
            f"""
            with {CELLS},

            expected as (
                select p.*, g.target
                from (
                    select
                        *,
                        max(period_start) over (
                            partition by time_grain, basis, {_SERIES}
                        ) as last_start
                    from published
                    where time_grain not in ('day', 'week')
                ) as p
                inner join seeds.nps_targets as g on p.metric = g.metric
                where p.period_start = p.last_start
            )

            select 1
            from expected as a full join {{batch}} as b using ({CELL}, target)
            where {_differ}
            """,
            why="Every target of the seed is compared with exactly the published cells of the "
            "latest period.",
        ),
        no_rows(
            "goals",
            f"""
            with missing as (
                select
                    t.*,
                    w.min_group_size,
                    t.promoters - t.detractors as net,
                    round(t.target * t.responses - 100 * net, 6) > 0 as is_missed,
                    (
                        select value from seeds.assumptions where name = 'promoters_per_detractor'
                    ) as per_detractor
                from {{batch}} as t cross join raw.workspace as w
            )

            select 1 from missing
            where responses is distinct from promoters + passives + detractors
                or is_suppressed is distinct from (responses < min_group_size)
                or (nps is null) <> is_suppressed
                or {unequal("nps", "case when not is_suppressed then 100.0 * net / responses end")}
                or {unequal("gap", "target - nps")}
                or (promoters_needed is null) <> (is_suppressed or (target = 100 and is_missed))
                or (detractors_to_convert is null) <> is_suppressed
                or (promoters_needed > 0) <> is_missed
                or (detractors_to_convert > 0) <> is_missed
                or round(
                    target * (responses + promoters_needed) - 100 * (net + promoters_needed), 6
                ) > 0
                or (promoters_needed > 0 and round(
                    target * (responses + promoters_needed - 1)
                    - 100 * (net + promoters_needed - 1), 6
                ) <= 0)
                or round(target * responses - 100 * (net + 2 * detractors_to_convert), 6) > 0
                or (detractors_to_convert > 0 and round(
                    target * responses - 100 * (net + 2 * (detractors_to_convert - 1)), 6
                ) <= 0)
                or is_convertible is distinct from (detractors_to_convert <= detractors)
                or promoters_to_offset is distinct from case
                    when not is_suppressed
                        then greatest(0, ceil(per_detractor * detractors - promoters))
                end
            """,
            why="This many promoters, or conversions, reach the target and one fewer does not; "
            "both are 0 where it is reached, and NULL for a cell smaller than min_group_size.",
        ),
        no_emails(
            "time_grain, period_start, basis, target, responses, promoters, passives, detractors",
            "nps, gap, promoters_needed, detractors_to_convert, is_convertible",
            "promoters_to_offset, is_suppressed",
        ),
    ),
    "nps_sample_size": (
        keys(
            "keys",
            "metric, survey_type, purpose, points, variance_of",
            why="A precision asked of a metric and survey type has one row per variance.",
        ),
        no_rows(
            "asked",
            """
            with expected as (
                select p.metric, p.survey_type, a.purpose, a.points, v.variance_of
                from marts.fct_nps_by_period as p
                cross join seeds.nps_precisions as a
                cross join (values ('observed'), ('largest')) as v (variance_of)
                where p.time_grain = 'all' and p.basis = 'customers'
            )

            select 1
            from expected
            full join {batch} as t using (metric, survey_type, purpose, points, variance_of)
            where expected.metric is null or t.metric is null
            """,
            why="Every precision of the seed is asked of every metric and survey type with "
            "answers.",
        ),
        no_rows(
            "needed",
            f"""
            with measured as (
                select
                    t.*,
                    case
                        when t.variance_of = 'observed'
                            then nullif(
                                (p.promoters + p.detractors) / p.responses
                                - power((p.promoters - p.detractors) / p.responses, 2),
                                0
                            )
                        when m.bottom_prior > 0 then 1
                        else 0.25
                    end as expected_variance,
                    t.variance_of = 'observed'
                    and (p.is_suppressed or expected_variance is null) as is_suppressed,
                    case when t.purpose = 'margin' then 1 else 2 end as sides,
                    case
                        when t.purpose = 'margin' then m.top_prior + m.middle_prior + m.bottom_prior
                        else m.top_prior_of_two + m.middle_prior_of_two + m.bottom_prior_of_two
                    end as priors
                from {{batch}} as t
                inner join marts.fct_nps_by_period as p
                    on p.metric = t.metric and p.survey_type = t.survey_type
                    and p.time_grain = 'all' and p.basis = 'customers'
                inner join seeds.metrics as m on m.metric = t.metric
            )

            select 1
            from measured
            where {unequal("variance", "case when not is_suppressed then expected_variance end")}
                or (answers_needed is null) <> is_suppressed
                or answers_needed - 1 >= power(100 * z / points, 2) * sides * variance + {TOLERANCE}
                or answers_needed < power(100 * z / points, 2) * sides * variance - {TOLERANCE}
                or adjusted_answers_needed not in (
                    greatest(1, answers_needed - floor(priors)),
                    greatest(1, answers_needed - ceil(priors))
                )
                or (purpose = 'margin' and z <> (
                    select value from seeds.assumptions where name = 'confidence_z'
                ))
            """,
            why="As many answers as z^2 v / d^2, with the stated variance and that of both groups "
            "for a difference; fewer by what the adjusted-Wald method adds.",
        ),
        no_emails(
            "purpose, points, variance_of, responses, variance, significance_level, power, z",
            "answers_needed, adjusted_answers_needed",
        ),
    ),
}
