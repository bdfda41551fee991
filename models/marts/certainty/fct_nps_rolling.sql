{%- set dimensions = dimensions() -%}

-- An answer of day d whose voice answers next on day n is the latest of a window of w days on the
-- days d to min(d + w, n) - 1: it comes in on the first and goes out on the day after the last (who
-- answers again on the same day goes out as it comes in). So comings and goings are counted by day,
-- and the days are sums of what came and went before.
with {{ follow_voices() }},

windows as (
    select window_days from {{ source('raw', 'rolling_windows') }}
),

days as (
    select as_of_on from {{ ref('int_days_listed') }}
),

-- a window of 0 days ends on the day of the answer: it tells who comes in, the others who goes out
steps as (
    select window_days from windows
    union all
    select 0 as window_days
),

stepped as (
    select
        followed.*,
        steps.window_days,
        case
            when followed.next_on < {{ days_after('followed.responded_on', 'steps.window_days') }} then followed.next_on
            else {{ days_after('followed.responded_on', 'steps.window_days') }}
        end as stepped_on
    from followed
    cross join steps
),

-- one pass over the answers, whatever is asked for
counted as (
    select
        window_days,
        metric,
        survey_type,
        stepped_on,
        {{ grouped_dimension(dimensions) }} as dimension,
        {{ grouped_dimension(dimensions, value=true) }} as segment,
        cast(sum(case when contribution > 0 then 1 else 0 end) as bigint) as promoters,
        cast(sum(case when contribution = 0 then 1 else 0 end) as bigint) as passives,
        cast(sum(case when contribution < 0 then 1 else 0 end) as bigint) as detractors
    from stepped
    group by grouping sets (
        (window_days, metric, survey_type, stepped_on)
        {%- for dimension in dimensions %},
        (window_days, metric, survey_type, stepped_on, {{ dimension }})
        {%- endfor %}
    )
),

moved as (
    select
        windows.window_days,
        counted.metric,
        counted.survey_type,
        counted.stepped_on,
        counted.dimension,
        counted.segment,
        counted.promoters,
        counted.passives,
        counted.detractors
    from counted
    cross join windows
    where counted.window_days = 0

    union all

    select
        window_days,
        metric,
        survey_type,
        stepped_on,
        dimension,
        segment,
        -promoters as promoters,
        -passives as passives,
        -detractors as detractors
    from counted
    where window_days > 0
),

-- a day on which nobody comes or goes is like the day before
spans as (
    select
        window_days,
        metric,
        survey_type,
        dimension,
        segment,
        min(stepped_on) as first_on,
        max(stepped_on) as last_on
    from moved
    group by window_days, metric, survey_type, dimension, segment
),

quiet as (
    select
        spans.window_days,
        spans.metric,
        spans.survey_type,
        days.as_of_on as stepped_on,
        spans.dimension,
        spans.segment,
        0 as promoters,
        0 as passives,
        0 as detractors
    from spans
    inner join days on spans.first_on <= days.as_of_on and spans.last_on > days.as_of_on
),

daily as (
    select * from moved
    union all
    select * from quiet
),

changed as (
    select
        window_days,
        metric,
        survey_type,
        stepped_on,
        dimension,
        segment,
        sum(promoters) as promoters,
        sum(passives) as passives,
        sum(detractors) as detractors
    from daily
    group by window_days, metric, survey_type, stepped_on, dimension, segment
),

running as (
    select
        stepped_on as as_of_on,
        window_days,
        metric,
        survey_type,
        dimension,
        segment,
        cast(sum(promoters) over so_far as bigint) as promoters,
        cast(sum(passives) over so_far as bigint) as passives,
        cast(sum(detractors) over so_far as bigint) as detractors
    from changed
    window so_far as (
        partition by window_days, metric, survey_type, dimension, segment
        order by stepped_on
        rows between unbounded preceding and current row
    )
),

-- who goes out after as_of has not gone; score_counts leaves the days out on which nobody is in
filled as (
    select running.*
    from running
    inner join days on running.as_of_on = days.as_of_on
),

{{ score_counts('filled') }},

final as (
    select
        as_of_on,
        window_days,
        metric,
        survey_type,
        dimension,
        segment,
        responses,
        promoters,
        passives,
        detractors,
        nps,
        standard_error,
        ci_low,
        ci_high,
        is_suppressed
    from scored
)

select * from final
