{%- set dimensions = dimensions() -%}
{%- set grains = time_grains() + ['all'] -%}
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
    from {{ ref('int_answers_followed') }} as answers
    {%- if grain == 'all' %}
    inner join spans on answers.metric = spans.metric and answers.survey_type = spans.survey_type
    where answers.previous_on is not null or answers.next_on is not null
    {%- else %}
    where
        {{ period_start(grain, 'answers.responded_on') }}
        in ({{ period_start(grain, 'answers.previous_on') }}, {{ period_start(grain, 'answers.next_on') }})

    union all
    {% endif %}
    {%- endfor %}
),

-- a voice mostly answers in one segment of every dimension: counting all of them together first leaves
-- few rows to be cut by each
combined as (
    select
        {{ period | join(', ') }},
        voice_key,
        {%- for dimension in dimensions %}
        {{ dimension }},
        {%- endfor %}
        count(*) as responses,
        sum(mark) as total,
        sum(mark * mark) as squares
    from repeated
    group by
        {{ period | join(', ') }},
        voice_key
        {%- for dimension in dimensions %},
        {{ dimension }}
        {%- endfor %}
),

wholes as (
    select
        {{ period | join(', ') }},
        voice_key,
        sum(responses) as responses,
        sum(total) as total
    from combined
    group by {{ period | join(', ') }}, voice_key
),

placed as (
    select
        combined.*,
        wholes.responses as all_responses,
        wholes.total as all_total
    from combined
    inner join wholes
        on
            combined.voice_key = wholes.voice_key
            {%- for column in period %}
            and combined.{{ column }} = wholes.{{ column }}
            {%- endfor %}
),

-- What a voice answered in a segment beside what it answered in all: the difference is the rest's. The few
-- voices that answered in several segments of a dimension are followed one by one; the others have no rest and
-- are counted by what they answered.
voices as (
    {%- for is_split in [true, false] %}
    {%- set one_voice = period | join(', ') ~ (', voice_key' if is_split else ', placed.responses, placed.total, placed.squares') %}
    select
        {{ period | join(', ') }},
        {{ grouped_dimension(dimensions) }} as dimension,
        {{ grouped_dimension(dimensions, value=true) }} as segment,
        {%- for column in ['responses', 'total', 'squares'] %}
        {{ 'sum(placed.' ~ column ~ ') as ' if is_split else 'placed.' }}{{ column }},
        {%- endfor %}
        {%- for column in ['responses', 'total'] %}
        {{ 'max(placed.all_' ~ column ~ ') - sum(placed.' ~ column ~ ')' if is_split else '0' }} as other_{{ column }},
        {%- endfor %}
        {{ '1' if is_split else 'count(*)' }} as voices
    from placed
    where placed.responses {{ '<' if is_split else '=' }} placed.all_responses
    group by grouping sets (
        ({{ one_voice }})
        {%- for dimension in dimensions %},
        ({{ one_voice }}, {{ dimension }})
        {%- endfor %}
    )
    {{ 'union all' if is_split }}
    {%- endfor %}
)

select
    {{ period | join(', ') }},
    'responses' as basis,
    dimension,
    segment,
    cast(sum(voices * (responses - 1)) as bigint) as repeats,
    cast(sum(voices * (responses * responses - responses)) as bigint) as repeated_weights,
    cast(sum(voices * (responses * total - total)) as bigint) as repeated_products,
    cast(sum(voices * (total * total - squares)) as bigint) as repeated_squares,
    cast(sum(case when other_responses > 0 then voices else 0 end) as bigint) as outside_voices,
    cast(sum(voices * responses * other_responses) as bigint) as outside_weights,
    cast(sum(voices * (responses * other_total + total * other_responses)) as bigint) as outside_products,
    cast(sum(voices * total * other_total) as bigint) as outside_squares
from voices
group by {{ period | join(', ') }}, dimension, segment
