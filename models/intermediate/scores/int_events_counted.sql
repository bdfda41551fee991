{%- set voice = ['event', 'metric', 'survey_type', 'is_of_segment', 'voice_key'] -%}
{%- set cell = ['event', 'metric', 'survey_type', 'is_of_segment'] -%}

with windows as (
    select
        events.event,
        events.happened_on,
        events.dimension,
        events.segment,
        events.window_days,
        {{ days_after('events.happened_on', '-events.window_days') }} as starts_on,
        {{ days_after('events.happened_on', 'events.window_days') }} as ends_on
    from {{ source('raw', 'events') }} as events
),

-- a voice speaks once on either side of the event: with its latest answer there; whose segment is unknown is
-- neither affected nor spared
answers as (
    select
        windows.event,
        answers.metric,
        answers.survey_type,
        answers.voice_key,
        answers.mark,
        answers.responded_on >= windows.happened_on as is_after,
        case windows.dimension
            when 'all' then true
            {%- for column, name in dimensions().items() %}
            when '{{ name }}' then nullif(answers.{{ column }}, '(unknown)') = windows.segment
            {%- endfor %}
        end as is_of_segment
    from {{ ref('int_answers_followed') }} as answers
    inner join windows
        on
            answers.responded_on >= windows.starts_on
            and answers.responded_on < windows.ends_on
    where
        answers.next_on is null
        or answers.next_on >= windows.ends_on
        or (answers.responded_on < windows.happened_on and answers.next_on >= windows.happened_on)
),

voices as (
    select
        {{ voice | join(', ') }},
        max(case when is_after then mark end) as mark,
        max(case when not is_after then mark end) as compared_mark
    from answers
    where is_of_segment is not null
    group by {{ voice | join(', ') }}
),

counted as (
    select
        {{ cell | join(', ') }}
        {%- for side in ['', 'compared_'] %},
        count({{ side }}mark) as {{ side }}responses
        {%- for class, value in [('promoters', 1), ('passives', 0), ('detractors', -1)] %},
        count(case when {{ side }}mark = {{ value }} then 1 end) as {{ side }}{{ class }}
        {%- endfor %}
        {%- endfor %},
        count(mark + compared_mark) as shared_voices,
        count(case when mark <> compared_mark then 1 end) as moved_voices,
        sum(case when compared_mark is not null then mark end) as total,
        sum(case when mark is not null then compared_mark end) as compared_total,
        sum(mark * compared_mark) as products
    from voices
    group by {{ cell | join(', ') }}
)

select
    windows.event,
    windows.happened_on,
    windows.dimension,
    windows.segment,
    windows.window_days,
    {{ days_after('windows.ends_on', -1) }} as ends_on,
    counted.metric,
    counted.survey_type,
    counted.is_of_segment,
    counted.responses,
    counted.promoters,
    counted.passives,
    counted.detractors,
    counted.compared_responses,
    counted.compared_promoters,
    counted.compared_passives,
    counted.compared_detractors,
    counted.shared_voices,
    counted.moved_voices,
    {{ covariance('counted.shared_voices', 'counted.total', 'counted.compared_total', 'counted.products') }} as covariance
from counted
inner join windows on counted.event = windows.event
