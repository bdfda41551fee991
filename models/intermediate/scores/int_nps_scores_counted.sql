{%- set dimensions = dimensions() -%}
{%- set segments = segment_columns() | list -%}
{%- set grains = time_grains() -%}
{%- set columns = [
    'source', 'response_id', 'survey_id', 'voice_key', 'metric', 'survey_type', 'channel', 'touchpoint',
    'score', 'contribution', 'responded_at', 'responded_on', 'version_at',
] -%}
{%- set key = ['metric', 'survey_type', 'responded_on', 'dimension', 'segment'] + segments + ['score', 'contribution'] -%}
{#- several segments are counted together, too: by month and class -#}
{%- set is_joint = segments | length > 1 -%}
{%- set joint = 'grouping(flagged.month_on) = 0' if is_joint else 'false' -%}

-- One pass over the answers. Every count of every period, basis, dimension, class and score is a sum of
-- these rows.
-- depends_on: {{ ref('fct_nps_responses') }}, {{ ref('int_responses_affected') }}
{% if is_batch() -%}
-- A batch counts the answers of the affected voices, as they are now and as they were: what they counted
-- is taken out of the previous build's days, what they count is added.
with affected as (
    select * from {{ ref('int_responses_affected') }}
),

voices as (
    select voice_key from affected
    union
    select responses.voice_key
    from {{ ref('fct_nps_responses') }} as responses
    inner join affected on responses.response_key = affected.response_key
),

current_answers as (
    select
        {%- for column in columns %}
        responses.{{ column }},
        {%- endfor %}
        {{ segment_list('responses.', from_mart=true) }}
        affected.response_key is not null as is_affected
    from {{ ref('fct_nps_responses') }} as responses
    inner join voices on responses.voice_key = voices.voice_key
    left join affected on responses.response_key = affected.response_key
),

answers as (
    select
        {{ columns | join(', ') }},
        {{ segment_list() }}
        true as is_now
    from current_answers

    union all

    select
        {{ columns | join(', ') }},
        {{ segment_list() }}
        false as is_now
    from current_answers
    where not is_affected

    union all

    select
        {{ columns | join(', ') }},
        {{ segment_list() }}
        false as is_now
    from affected
    where voice_key is not null
),

{{ follow_voices('answers') }},
{%- else -%}
with {{ follow_voices() }},
{%- endif %}

flagged as (
    select
        *,
        next_on is null as is_latest_in_all,
        {{ period_start('month', 'responded_on') }} as month_on,
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
        coalesce(responded_on, {{ 'month_on' if is_joint else 'null' }}) as responded_on,
        case when {{ joint }} then 'all dimensions' else {{ grouped_dimension(dimensions) }} end as dimension,
        case when {{ joint }} then 'all dimensions' else {{ grouped_dimension(dimensions, value=true) }} end as segment,
        {%- for segment in segments %}
        case when {{ joint }} then {{ segment if is_joint else 'cast(null as ' ~ dbt.type_string() ~ ')' }} end as {{ segment }},
        {%- endfor %}
        score,
        contribution,
        cast(sum(one) as bigint) as responses
        {%- for grain in grains + ['all'] %},
        cast(sum(case when is_latest_in_{{ grain }} then one else 0 end) as bigint) as voices_{{ grain }}
        {%- endfor %}
    from flagged
    group by grouping sets (
        (flagged.metric, flagged.survey_type, flagged.responded_on, flagged.score, flagged.contribution)
        {%- for dimension in dimensions %},
        (flagged.metric, flagged.survey_type, flagged.responded_on, flagged.score, flagged.contribution, flagged.{{ dimension }})
        {%- endfor %}
        {%- if is_joint %},
        (flagged.metric, flagged.survey_type, flagged.month_on, flagged.contribution, flagged.{{ segments | join(', flagged.') }})
        {%- endif %}
    )
)

{% if is_batch() -%}
select
    {{ key | join(', ') }},
    cast(sum(responses) as bigint) as responses
    {%- for grain in grains + ['all'] %},
    cast(sum(voices_{{ grain }}) as bigint) as voices_{{ grain }}
    {%- endfor %}
from (
    select {{ key | join(', ') }}, responses{% for grain in grains + ['all'] %}, voices_{{ grain }}{% endfor %} from {{ this }}
    union all
    select * from counted
) as summands
group by {{ key | join(', ') }}
having sum(responses) > 0
{%- else -%}
select * from counted
{%- endif %}
