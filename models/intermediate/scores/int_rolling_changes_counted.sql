{%- set dimensions = dimensions() -%}

-- An answer of day d whose voice answers next on day n belongs to a window of w days on the days d to
-- min(d + w, n) - 1: it enters on the first and leaves on the day after the last. Counting entries and
-- exits by day replaces a join of answers and days.
with windows as (
    select window_days from {{ source('raw', 'rolling_windows') }}
),

-- 0 days: the entry, which all windows share; the others: their exits
steps as (
    select window_days from windows
    union all
    select 0 as window_days
),

stepped as (
    select
        answers.metric,
        answers.survey_type,
        answers.mark,
        {%- for dimension in dimensions %}
        answers.{{ dimension }},
        {%- endfor %}
        steps.window_days,
        case
            when answers.next_on < {{ days_after('answers.responded_on', 'steps.window_days') }} then answers.next_on
            else {{ days_after('answers.responded_on', 'steps.window_days') }}
        end as stepped_on
    from {{ ref('int_answers_followed') }} as answers
    cross join steps
),

counted as (
    select
        window_days,
        metric,
        survey_type,
        stepped_on,
        {{ grouped_dimension(dimensions) }} as dimension,
        {{ grouped_dimension(dimensions, value=true) }} as segment,
        sum(case when mark > 0 then 1 else 0 end) as promoters,
        sum(case when mark = 0 then 1 else 0 end) as passives,
        sum(case when mark < 0 then 1 else 0 end) as detractors
    from stepped
    group by grouping sets (
        (window_days, metric, survey_type, stepped_on)
        {%- for dimension in dimensions %},
        (window_days, metric, survey_type, stepped_on, {{ dimension }})
        {%- endfor %}
    )
),

final as (
    select
        windows.window_days,
        counted.metric,
        counted.survey_type,
        counted.dimension,
        counted.segment,
        counted.stepped_on as changed_on
        {%- for class in ['promoters', 'passives', 'detractors'] %},
        cast(sum(case when counted.window_days = 0 then counted.{{ class }} else -counted.{{ class }} end) as bigint) as {{ class }}_change
        {%- endfor %}
    from counted
    inner join windows on counted.window_days in (0, windows.window_days)
    group by 1, 2, 3, 4, 5, 6
)

select * from final
