"""Checks of nps_change_significance: what is compared, how it is tested, and what caused it.

Whatever follows from the facts or the published periods is computed from them again; levels, priors
and least sizes are read from ``seeds``.
"""

from __future__ import annotations

from expectations import Check, no_rows
from expectations.suites.common import (
    CELL,
    CELLS,
    COUNTS,
    PERIOD,
    TOLERANCE,
    keys,
    no_emails,
    unequal,
)

_SERIES = "metric, survey_type"
_SERIES_OF_T = "t.metric, t.survey_type"
_PERIOD_OF_C = ", ".join(f"c.{name}" for name in PERIOD.split(", "))
_FAMILY = f"comparison, {PERIOD}, dimension"
_SIDES = ("", "compared_")

# Both sides' counts of every comparison, from the published cells: the period before is the one
# whose place in the series is one less, or the one a year before; the rest of a dimension is its
# sum without the segment.
_PAIRS = f"""
    {CELLS},

    numbered as (
        select
            *,
            dense_rank() over (
                partition by time_grain, basis, {_SERIES} order by period_start
            ) as place
        from published
    ),

    places as (
        select distinct {PERIOD}, period_end, place from numbered
    ),

    compared as (
        select
            case when o.place = p.place - 1 then 'previous_period' end as before,
            case
                when p.time_grain in ('month', 'quarter', 'fiscal_quarter')
                    and o.period_start = cast(p.period_start - interval 1 year as date)
                    then 'previous_year'
            end as year_before,
            p.*,
            o.period_start as compared_period_start
        from places as p
        inner join places as o
            on o.time_grain = p.time_grain and o.basis = p.basis
            and o.metric = p.metric and o.survey_type = p.survey_type
            and o.period_start < p.period_start
        where p.time_grain <> 'all' and (before is not null or year_before is not null)
    ),

    halves as (
        select c.comparison, {_PERIOD_OF_C}, c.compared_period_start, c.period_end,
            n.dimension, n.segment, n.period_start = c.period_start as is_now, n.{
    ", n.".join(COUNTS)
}
        from (
            select *, unnest([before, year_before]) as comparison from compared
        ) as c
        inner join numbered as n
            on n.time_grain = c.time_grain and n.basis = c.basis and n.metric = c.metric
            and n.survey_type = c.survey_type
            and n.period_start in (c.period_start, c.compared_period_start)
        where c.comparison is not null
    ),

    pairs as (
        select
            comparison, time_grain, period_start, compared_period_start, period_end, basis,
            {_SERIES}, dimension, segment,
            {", ".join(f"coalesce(sum({c}) filter (is_now), 0) as {c}" for c in COUNTS)},
            {
    ", ".join(f"coalesce(sum({c}) filter (not is_now), 0) as compared_{c}" for c in COUNTS)
}
        from halves
        group by all
        union all
        select
            'rest_of_dimension', time_grain, period_start, period_start, period_end, basis,
            {_SERIES}, dimension, segment, {", ".join(COUNTS)},
            {", ".join(f"sum({count}) over rest - {count}" for count in COUNTS)}
        from published
        where dimension <> 'all'
        window rest as (partition by {PERIOD}, dimension)
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
        f"(s.{side}{count} + s.weight * m.{prior}_prior_of_two)"
        for count, prior in zip(COUNTS, ("top", "middle", "bottom"), strict=True)
    )
    n = f"({top} + {middle} + {bottom})"
    return f"""
        {n} as {side}size,
        ({top} - {bottom}) / {n} as {side}mean,
        (({top} + {bottom}) / {n} - power(({top} - {bottom}) / {n}, 2)) / {n} as {side}variance"""


def _clustered(side: str, sums: str) -> str:
    """Variance of one side's mean where voices, of whom there are sums, are clusters."""
    return f"""
        {sums}.voices / nullif({sums}.voices - 1, 0) * (
            {sums}.squares + s.top + s.bottom
            - 2 * s.{side}mean * ({sums}.products + s.top - s.bottom)
            + power(s.{side}mean, 2) * ({sums}.weights + s.top + s.middle + s.bottom)
        ) / power(s.{side}size, 2)"""


_SHOWN = "change is not null"
_TESTED = f"case when {_SHOWN} then 100 * (mean - compared_mean) end"
_CLUSTERED = f"case when s.{_SHOWN} then {_clustered('', 'a')} + {_clustered('compared_', 'b')} end"

# A normal tail is between two simple functions (Birnbaum 1942, Sampford 1953): DuckDB has no erf.
_DENSITY = "exp(-z * z / 2) / sqrt(2 * pi())"
_TAIL_OVER = f"2 * {_DENSITY} / (abs(z) + sqrt(z * z + 4))"
_TAIL_UNDER = f"4 * {_DENSITY} / (3 * abs(z) + sqrt(z * z + 8))"

CHANGES: dict[str, tuple[Check, ...]] = {
    "nps_change_significance": (
        keys(
            "keys",
            f"comparison, {CELL}",
            also="""
                t.comparison not in ('previous_period', 'previous_year', 'rest_of_dimension')
                or t.compared_period_start is null or t.is_complete is null""",
            why="A comparison of a segment and period has one row.",
        ),
        no_rows(
            "sides",
            f"""
            select 1
            from {{summed}} as s
            full join {{batch}} as t using (comparison, {CELL})
            cross join raw.workspace as w
            where s.compared_period_start is distinct from t.compared_period_start
                or t.is_complete is distinct from (s.period_end <= w.as_of_on)
                or s.n is distinct from t.responses
                or s.compared_n is distinct from t.compared_responses
                or {unequal("t.nps", "case when s.n >= w.min_group_size then s.score end")}
                or {
                unequal(
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
            with levels as (
                select
                    max(value) filter (name = 'min_moved_voices') as min_moved,
                    max(value) filter (name = 'min_rest_responses') as min_rest
                from seeds.assumptions
            ),

            weighed as (
                select
                    s.*,
                    t.* exclude (comparison, {CELL}, compared_period_start),
                    l.min_rest,
                    case
                        when t.moved_voices + s.n + s.compared_n - 2 * t.shared_voices
                            >= l.min_moved
                            then 1 - t.shared_voices / sqrt(s.n * s.compared_n)
                        else 1
                    end as weight
                from {{summed}} as s
                inner join {{batch}} as t using (comparison, {CELL})
                cross join levels as l
            ),

            measured as (
                select
                    s.*,
                    m.top_prior_of_two as top, m.middle_prior_of_two as middle,
                    m.bottom_prior_of_two as bottom,
                    {_adjusted("")}, {_adjusted("compared_")}
                from weighed as s inner join seeds.metrics as m on s.metric = m.metric
            ),

            voices as (
                select
                    metric, survey_type, voice_key, count(*) as responses,
                    cast(date_trunc('month', responded_on) as date) as period_start,
                    sum(contribution) / 100.0 as total
                from marts.fct_nps_responses
                group by all
            ),

            sums as (
                select
                    metric, survey_type, period_start, count(*) as voices,
                    sum(responses * responses) as weights, sum(responses * total) as products,
                    sum(total * total) as squares
                from voices
                group by all
            )

            select 1
            from measured
            where {unequal("change", "nps - compared_nps")}
                or {unequal("tested_change", _TESTED)}
                or (basis = 'customers' and change is not null and abs(
                    coalesce(power(standard_error / 100, 2), 0) - (
                        variance + compared_variance
                        - 2 * coalesce(shared_voices * covariance, 0) / (size * compared_size)
                    )
                ) > {TOLERANCE})
                or abs(z * standard_error - tested_change) > {TOLERANCE}
                or untested_because is distinct from case
                    when change is null then 'suppressed'
                    when comparison = 'rest_of_dimension' and segment = '(unknown)'
                        then 'unknown_segment'
                    when comparison = 'rest_of_dimension' and least(n, compared_n) < min_rest
                        then 'too_few_answers'
                    when standard_error is null
                        or round(change, 9) * round(tested_change, 9) < 0 then 'too_few_to_test'
                end
                or (z is null) <> (untested_because is not null)
            union all
            select 1
            from measured as s
            inner join sums as a using (metric, survey_type, period_start)
            inner join sums as b
                on b.metric = s.metric and b.survey_type = s.survey_type
                and b.period_start = s.compared_period_start
            where s.basis = 'responses' and s.dimension = 'all' and s.time_grain = 'month'
                and ({unequal("power(s.standard_error / 100, 2)", _CLUSTERED)})
            """,
            shared=_SUMMED,
            why="The change is the difference of the scores; what is tested follows from the "
            "adjusted counts (Rocks 2016; priors in the seed metrics), its error from those, the "
            "covariance of shared voices and, in basis responses, from voices as clusters; where "
            "there is no test, the reason is one that holds.",
        ),
        no_rows(
            "shared",
            f"""
            with latest as (
                select
                    metric, survey_type, voice_key,
                    cast(date_trunc('month', responded_on) as date) as period_start,
                    arg_max(
                        struct_pack(
                            mark := contribution / 100, channel := coalesce(channel, '(unknown)')
                        ),
                        struct_pack(
                            responded_at := responded_at,
                            version_at := coalesce(version_at, timestamp '0001-01-01'),
                            length := length(response_id),
                            response_id := response_id,
                            source := source
                        )
                    ) as answer
                from marts.fct_nps_responses
                group by all
            ),

            expected as (
                select
                    t.comparison, t.period_start, {_SERIES_OF_T}, d.dimension, d.segment,
                    count(*) as shared_voices,
                    count(*) filter (now.answer.mark <> before.answer.mark) as moved_voices,
                    covar_pop(now.answer.mark, before.answer.mark) as covariance,
                    covar_pop(now.answer.mark, before.answer.mark) / nullif(
                        stddev_pop(now.answer.mark) * stddev_pop(before.answer.mark), 0
                    ) as correlation
                from {{batch}} as t
                inner join latest as now
                    on now.metric = t.metric and now.survey_type = t.survey_type
                    and now.period_start = t.period_start
                inner join latest as before
                    on before.metric = t.metric and before.survey_type = t.survey_type
                    and before.voice_key = now.voice_key
                    and before.period_start = t.compared_period_start
                cross join lateral (
                    values ('all', 'all'),
                        ('channel', case
                            when now.answer.channel = before.answer.channel then now.answer.channel
                        end)
                ) as d (dimension, segment)
                where t.time_grain = 'month' and t.basis = 'customers' and t.dimension = 'all'
                    and d.segment is not null
                group by all
            )

            select 1
            from (
                select * from {{batch}}
                where time_grain = 'month' and basis = 'customers' and change is not null
                    and comparison <> 'rest_of_dimension' and dimension in ('all', 'channel')
            ) as t
            left join expected as e using (comparison, period_start, {_SERIES}, dimension, segment)
            where t.shared_voices is distinct from coalesce(e.shared_voices, 0)
                or t.moved_voices is distinct from coalesce(e.moved_voices, 0)
                or {unequal("t.covariance", "e.covariance")}
                or {unequal("t.correlation", "e.correlation")}
            union all
            select 1 from {{batch}}
            where (shared_voices is null) <> (change is null or basis <> 'customers')
                or moved_voices > shared_voices
                or (comparison = 'rest_of_dimension' and shared_voices > 0)
            """,
            why="Shared voices are those whose latest answers of both months are in the segment; "
            "how many moved, covariance and correlation follow from these answers.",
        ),
        no_rows(
            "detectable",
            """
            select 1
            from {batch}
            having min(detectable_change / standard_error) <= 0
                or max(detectable_change / standard_error)
                - min(detectable_change / standard_error) > 0.000001
                or count(detectable_change) <> count(standard_error)
            """,
            why="The detectable change is the same multiple of every standard error.",
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
                        when comparison <> 'rest_of_dimension'
                            and least(whole, compared_whole) >= w.min_group_size
                            then share * coalesce(score, compared_score)
                                - compared_share * coalesce(compared_score, score)
                    end as both
                from {{summed}} cross join raw.workspace as w
            )

            select 1
            from effects as s
            inner join {{batch}} as t using (comparison, {CELL})
            where {unequal("t.rate_effect + t.mix_effect", "s.both")}
                or {
                unequal(
                    "t.rate_effect",
                    "case when s.both is not null then coalesce(s.score - s.compared_score, 0) "
                    "* (s.share + s.compared_share) / 2 end",
                )
            }
            union all
            select 1
            from {{batch}} as t
            inner join (
                select comparison, {PERIOD}, change from {{batch}} where dimension = 'all'
            ) as a using (comparison, {PERIOD})
            group by comparison, {PERIOD}, t.dimension, a.change
            having {unequal("sum(t.rate_effect + t.mix_effect)", "a.change")}
            """,
            shared=_SUMMED,
            why="Rate and mix effects follow from the shares and scores of both periods, and add "
            "up over a dimension's segments to the change of the total.",
        ),
        no_emails(
            "comparison, time_grain, period_start, compared_period_start, is_complete, basis",
            "responses, nps, compared_responses, compared_nps, change, standard_error, z, p_value",
            "comparisons, p_adjusted, is_significant, rate_effect, mix_effect, tested_change",
            "untested_because, detectable_change, shared_voices, moved_voices, covariance",
            "correlation",
        ),
    ),
}
