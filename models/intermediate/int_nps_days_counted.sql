{%- set dimensions = dimensions() -%}
{%- set grains = ['day', 'week', 'month', 'quarter', 'year'] -%}

-- One pass over the answers. Every count of every period, basis and dimension is a sum of these days.
{% if is_batch() -%}
-- In a batch, over those of the voices touched alone, as they stand now and as they stood: what they
-- counted is taken out of the last build's days, what they count is put in.
with voices as (
    select voice_key from {{ ref('int_responses_before') }}
    union
    select known.voice_key
    from {{ ref('int_responses_identified') }} as known
    inner join {{ ref('int_responses_touched') }} as touched on known.response_key = touched.response_key
),

standing as (
    select known.*
    from {{ ref('int_responses_identified') }} as known
    inner join voices on known.voice_key = voices.voice_key
),

-- int_responses_before has the columns of int_responses_identified, in their order
answers as (
    select
        *,
        true as is_now
    from standing

    union all

    select
        *,
        false as is_now
    from standing
    where response_key not in (select touched.response_key from {{ ref('int_responses_touched') }} as touched)

    union all

    select
        *,
        false as is_now
    from {{ ref('int_responses_before') }}
),

{{ follow_voices('answers') }},
{%- else -%}
-- depends_on: {{ ref('int_responses_touched') }}, {{ ref('int_responses_before') }}
with {{ follow_voices() }},
{%- endif %}

flagged as (
    select
        *,
        next_on is null as is_latest_in_all,
        {{ 'case when is_now then 1 else -1 end' if is_batch() else '1' }} as one
        {%- for grain in grains %},
        next_on is null or {{ period_start(grain, 'next_on') }} > {{ period_start(grain, 'responded_on') }} as is_latest_in_{{ grain }}
        {%- endfor %}
    from followed
),

counted as (
    select
        metric,
        survey_type,
        responded_on,
        {{ grouped_dimension(dimensions) }} as dimension,
        {{ grouped_dimension(dimensions, value=true) }} as segment
        {%- for scope in ['responses'] + grains + ['all'] %}
        {%- set voiced = '' if scope == 'responses' else ' and is_latest_in_' ~ scope %},
        cast(sum(case when contribution > 0{{ voiced }} then one else 0 end) as bigint) as promoters_{{ scope }},
        cast(sum(case when contribution = 0{{ voiced }} then one else 0 end) as bigint) as passives_{{ scope }},
        cast(sum(case when contribution < 0{{ voiced }} then one else 0 end) as bigint) as detractors_{{ scope }}
        {%- endfor %}
    from flagged
    group by grouping sets (
        (metric, survey_type, responded_on)
        {%- for dimension in dimensions %},
        (metric, survey_type, responded_on, {{ dimension }})
        {%- endfor %}
    )
)

{% if is_batch() -%}
select
    metric,
    survey_type,
    responded_on,
    dimension,
    segment
    {%- for scope in ['responses'] + grains + ['all'] %}
    {%- for class in ['promoters', 'passives', 'detractors'] %},
    cast(sum({{ class }}_{{ scope }}) as bigint) as {{ class }}_{{ scope }}
    {%- endfor %}
    {%- endfor %}
from (select * from {{ this }} union all select * from counted) as summands
group by metric, survey_type, responded_on, dimension, segment
having sum(promoters_responses + passives_responses + detractors_responses) > 0
{%- else -%}
select * from counted
{%- endif %}
