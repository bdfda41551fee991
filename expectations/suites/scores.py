"""Checks of scores over time: rolling windows, significance of change, goals.

Whatever follows from the facts or the published periods is computed from them again; windows,
levels, priors and targets are read from ``raw`` and ``seeds``.
"""

from __future__ import annotations

from expectations import Check, no_rows
from expectations.suites.common import SCORES_WITH_COUNTS, TOLERANCE, keys, no_emails

_SERIES = "metric, survey_type"
_ROLLING = f"as_of_on, window_days, {_SERIES}"
_PERIOD = f"time_grain, period_start, basis, {_SERIES}"
_CELL = f"{_PERIOD}, dimension, segment"
_FAMILY = f"comparison, {_PERIOD}, dimension"
_COUNTS = ("promoters", "passives", "detractors")
_SIDES = ("", "compared_")

_sums = ", ".join(f"sum({count}) as {count}" for count in _COUNTS)
_differ = " or ".join(f"a.{count} is distinct from b.{count}" for count in _COUNTS)


def _unequal(found: str, expected: str) -> str:
    """Whether two figures differ by more than rounding, or one of them is NULL alone."""
    found, expected = f"({found})", f"({expected})"
    return f"({found} is null) <> ({expected} is null) or abs({found} - {expected}) > {TOLERANCE}"


# Every published cell, the total among them.
_CELLS = f"""
    published as (
        select {_PERIOD}, period_end, 'all' as dimension, 'all' as segment, {", ".join(_COUNTS)}
        from marts.fct_nps_by_period
        union all
        select {_CELL.replace("dimension", "period_end, dimension")}, {", ".join(_COUNTS)}
        from marts.fct_nps_by_segment_period
    )"""

# Both sides' counts of every comparison, from the published cells: the period before is the one
# whose place in the series is one less, the rest of a dimension its sum without the segment.
_PAIRS = f"""
    {_CELLS},

    numbered as (
        select
            *,
            dense_rank() over (
                partition by time_grain, basis, {_SERIES} order by period_start
            ) as place
        from published
    ),

    places as (
        select distinct {_PERIOD}, period_end, place from numbered
    ),

    changes as (
        select
            'previous_period' as comparison, time_grain, place, basis, {_SERIES}, dimension,
            segment,
            {", ".join(f"coalesce(n.{count}, 0) as {count}" for count in _COUNTS)},
            {", ".join(f"coalesce(b.{count}, 0) as compared_{count}" for count in _COUNTS)}
        from (select * from numbered where place > 1 and time_grain <> 'all') as n
        full join (
            select * replace (place + 1 as place) from numbered
            where time_grain <> 'all'
        ) as b using (time_grain, place, basis, {_SERIES}, dimension, segment)
    ),

    pairs as (
        select
            c.comparison, p.time_grain, p.period_start, o.period_start as compared_period_start,
            p.period_end, p.basis, p.metric, p.survey_type, c.dimension, c.segment,
            {", ".join(f"c.{side}{count}" for side in _SIDES for count in _COUNTS)}
        from changes as c
        inner join places as p using (time_grain, place, basis, {_SERIES})
        inner join places as o
            on o.time_grain = c.time_grain and o.place = c.place - 1 and o.basis = c.basis
            and o.metric = c.metric and o.survey_type = c.survey_type
        union all
        select
            'rest_of_dimension', time_grain, period_start, period_start, period_end, basis,
            {_SERIES}, dimension, segment, {", ".join(_COUNTS)},
            {", ".join(f"sum({count}) over rest - {count}" for count in _COUNTS)}
        from published
        where dimension <> 'all'
        window rest as (partition by {_PERIOD}, dimension)
    ),

    summed as (
        select
            *,
            promoters + passives + detractors as n,
            compared_promoters + compared_passives + compared_detractors as compared_n,
            100.0 * (promoters - detractors) / nullif(n, 0) as score,
            100.0 * (compared_promoters - compared_detractors) / nullif(compared_n, 0)
                as compared_score,
            sum(n) over (partition by {_FAMILY}) as whole,
            sum(compared_n) over (partition by {_FAMILY}) as compared_whole
        from pairs
    )"""


_SUMMED = {"summed": f"with {_PAIRS} select * from summed"}


def _adjusted(side: str) -> str:
    """Mean and its variance of one side's contributions, with the priors, on the scale -1..1."""
    top, middle, bottom = (
        f"(s.{side}{count} + m.{prior}_prior_of_two)"
        for count, prior in zip(_COUNTS, ("top", "middle", "bottom"), strict=True)
    )
    n = f"({top} + {middle} + {bottom})"
    return f"""
        ({top} - {bottom}) / {n} as {side}mean,
        (({top} + {bottom}) / {n} - power(({top} - {bottom}) / {n}, 2)) / {n} as {side}variance"""


# A normal tail is between two simple functions (Birnbaum 1942, Sampford 1953): DuckDB has no erf.
_DENSITY = "exp(-z * z / 2) / sqrt(2 * pi())"
_TAIL_OVER = f"2 * {_DENSITY} / (abs(z) + sqrt(z * z + 4))"
_TAIL_UNDER = f"4 * {_DENSITY} / (3 * abs(z) + sqrt(z * z + 8))"

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
    "nps_change_significance": (
        keys(
            "keys",
            f"comparison, {_CELL}",
            also="""
                t.comparison not in ('previous_period', 'rest_of_dimension')
                or t.compared_period_start is null or t.is_complete is null""",
            why="A comparison of a segment and period has one row.",
        ),
        no_rows(
            "sides",
            f"""
            select 1
            from {{summed}} as s
            full join {{batch}} as t using (comparison, {_CELL})
            cross join raw.workspace as w
            where s.compared_period_start is distinct from t.compared_period_start
                or t.is_complete is distinct from (s.period_end <= w.as_of_on)
                or s.n is distinct from t.responses
                or s.compared_n is distinct from t.compared_responses
                or {_unequal("t.nps", "case when s.n >= w.min_group_size then s.score end")}
                or {
                _unequal(
                    "t.compared_nps",
                    "case when s.compared_n >= w.min_group_size then s.compared_score end",
                )
            }
            """,
            shared=_SUMMED,
            why="Both sides are published periods: the segment itself in its previous period with"
            " answers, or the rest of its dimension; none is missing, and sides smaller than "
            "min_group_size are suppressed.",
        ),
        no_rows(
            "tested",
            f"""
            with weighed as (
                select s.*, {_adjusted("")}, {_adjusted("compared_")}
                from {{summed}} as s inner join seeds.metrics as m on s.metric = m.metric
            )

            select 1
            from weighed as s
            inner join {{batch}} as t using (comparison, {_CELL})
            where {_unequal("t.change", "t.nps - t.compared_nps")}
                or (t.standard_error is null) <> (t.change is null)
                or (t.z is null) <> (t.change is null)
                or abs(t.standard_error - 100 * sqrt(s.variance + s.compared_variance))
                > {TOLERANCE}
                or abs(t.z * t.standard_error - 100 * (s.mean - s.compared_mean)) > {TOLERANCE}
            """,
            shared=_SUMMED,
            why="The change is the difference of the scores, z follows from the adjusted counts "
            "(Rocks 2016; priors in the seed metrics); both are NULL where a side is "
            "suppressed.",
        ),
        no_rows(
            "adjusted",
            f"""
            with ranked as (
                select
                    *,
                    count(p_value) over (partition by {_FAMILY}) as m,
                    p_value * m / row_number() over family as own,
                    lead(p_adjusted, 1, 1) over family as next
                from {{batch}}
                window family as (
                    partition by {_FAMILY}, p_value is null order by p_value, p_adjusted
                )
            )

            select 1 from ranked
            where comparisons is distinct from m
                or (p_value is null) <> (z is null)
                or (p_adjusted is null) <> (p_value is null)
                or p_value < 2 * {_TAIL_OVER} - {TOLERANCE}
                or p_value > least(1, 2 * {_TAIL_UNDER}) + {TOLERANCE}
                or (p_value is not null and abs(p_adjusted - least(own, next)) > {TOLERANCE})
                or is_significant is distinct from (p_adjusted <= (
                    select value from seeds.assumptions where name = 'significance_level'
                ))
            """,
            why="p follows from z and the normal distribution, is adjusted for its family "
            "(Benjamini and Hochberg 1995), and is compared with the level of the seed "
            "assumptions.",
        ),
        no_rows(
            "effects",
            f"""
            -- the new weights of the new scores less the old of the old, in two ways
            with effects as (
                select
                    *,
                    n / whole as share,
                    compared_n / compared_whole as compared_share,
                    case
                        when comparison = 'previous_period'
                            and least(whole, compared_whole) >= w.min_group_size
                            then share * coalesce(score, compared_score)
                                - compared_share * coalesce(compared_score, score)
                    end as both
                from {{summed}} cross join raw.workspace as w
            )

            select 1
            from effects as s
            inner join {{batch}} as t using (comparison, {_CELL})
            where {_unequal("t.rate_effect + t.mix_effect", "s.both")}
                or {
                _unequal(
                    "t.rate_effect",
                    "case when s.both is not null then coalesce(s.score - s.compared_score, 0) "
                    "* (s.share + s.compared_share) / 2 end",
                )
            }
            union all
            select 1
            from {{batch}} as t
            inner join (
                select {_PERIOD}, change from {{batch}}
                where comparison = 'previous_period' and dimension = 'all'
            ) as a using ({_PERIOD})
            where t.comparison = 'previous_period'
            group by {_PERIOD}, t.dimension, a.change
            having {_unequal("sum(t.rate_effect + t.mix_effect)", "a.change")}
            """,
            shared=_SUMMED,
            why="Rate and mix effects follow from the shares and scores of both periods, and add "
            "up over a dimension's segments to the change of the total.",
        ),
        no_emails(
            "comparison, time_grain, period_start, compared_period_start, is_complete, basis",
            "responses, nps, compared_responses, compared_nps, change, standard_error, z, p_value",
            "comparisons, p_adjusted, is_significant, rate_effect, mix_effect",
        ),
    ),
    "nps_goal": (
        keys(
            "keys",
            f"{_CELL}, target",
            why="The latest period of a segment has one row per target.",
        ),
        no_rows(
            "latest",
            f"""
            with {_CELLS},

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
            from expected as a full join {{batch}} as b using ({_CELL}, target)
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
                or {_unequal("nps", "case when not is_suppressed then 100.0 * net / responses end")}
                or {_unequal("gap", "target - nps")}
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
}
