{%- set dimensions = dimensions() -%}
{%- set grains = ['day', 'week', 'month', 'quarter', 'year', 'all'] -%}
{%- set period = ['time_grain', 'period_start', 'metric', 'survey_type'] -%}

with spans as (
    select
        metric,
        survey_type,
        period_start
    from {{ ref('int_periods_scored') }}
    where time_grain = 'all' and basis = 'responses' and dimension = 'all'
),

-- the answers of voices that gave several in one period
repeated as (
    {%- for grain in grains %}
    select
        '{{ grain }}' as time_grain,
        {{ 'spans.period_start' if grain == 'all' else period_start(grain, 'answers.responded_on') }} as period_start,
        answers.metric,
        answers.survey_type,
        answers.voice_key,
        {%- for dimension in dimensions %}
        answers.{{ dimension }},
        {%- endfor %}
        answers.mark
    from {{ ref('int_repeat_answers_followed') }} as answers
    {%- if grain == 'all' %}
    inner join spans on answers.metric = spans.metric and answers.survey_type = spans.survey_type
    {%- else %}
    where
        {{ period_start(grain, 'answers.responded_on') }}
        in ({{ period_start(grain, 'answers.previous_on') }}, {{ period_start(grain, 'answers.next_on') }})

    union all
    {% endif %}
    {%- endfor %}
),

voices as (
    select
        {{ period | join(', ') }},
        voice_key,
        {{ grouped_dimension(dimensions) }} as dimension,
        {{ grouped_dimension(dimensions, value=true) }} as segment,
        count(*) as responses,
        sum(mark) as total,
        sum(mark * mark) as squares
    from repeated
    group by grouping sets (
        ({{ period | join(', ') }}, voice_key)
        {%- for dimension in dimensions %},
        ({{ period | join(', ') }}, voice_key, {{ dimension }})
        {%- endfor %}
    )
),

-- what a voice answered in a segment beside what it answered in all: the difference is the rest's
placed as (
    select
        voices.*,
        wholes.responses - voices.responses as other_responses,
        wholes.total - voices.total as other_total
    from voices
    inner join voices as wholes
        on
            voices.voice_key = wholes.voice_key
            {%- for column in period %}
            and voices.{{ column }} = wholes.{{ column }}
            {%- endfor %}
    where wholes.dimension = 'all'
)

select
    {{ period | join(', ') }},
    'responses' as basis,
    dimension,
    segment,
    cast(sum(responses - 1) as bigint) as repeats,
    cast(sum(responses * responses - responses) as bigint) as repeated_weights,
    cast(sum(responses * total - total) as bigint) as repeated_products,
    cast(sum(total * total - squares) as bigint) as repeated_squares,
    cast(sum(case when other_responses > 0 then 1 else 0 end) as bigint) as outside_voices,
    cast(sum(responses * other_responses) as bigint) as outside_weights,
    cast(sum(responses * other_total + total * other_responses) as bigint) as outside_products,
    cast(sum(total * other_total) as bigint) as outside_squares
from placed
group by {{ period | join(', ') }}, dimension, segment
