{%- set dimensions = dimensions() -%}
{%- set grains = ['day', 'week', 'month', 'quarter', 'year'] -%}

-- One pass over the answers. Every count of every period, basis and dimension is a sum of these days.
with responses as (
    select
        source,
        response_id,
        voice_key,
        metric,
        survey_type,
        responded_at,
        responded_on,
        version_at,
        contribution,
        {%- for segment in segment_columns() %}
        coalesce({{ segment }}, '(unknown)') as {{ segment }},
        {%- endfor %}
        coalesce(channel, '(unknown)') as channel,
        coalesce(touchpoint, '(unknown)') as touchpoint,
        coalesce(survey_id, '(unknown)') as survey
    from {{ ref('int_responses_identified') }}
),

-- a voice's answer is its latest of a period when its next answer lies in a later one
followed as (
    select
        responses.*,
        lag(responses.responded_on) over (
            partition by responses.voice_key, responses.metric, responses.survey_type
            order by {{ latest_first('responses') }}
        ) as next_on
    from responses
),

flagged as (
    select
        *,
        next_on is null as is_latest_in_all
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
        cast(sum(case when contribution > 0{{ voiced }} then 1 else 0 end) as bigint) as promoters_{{ scope }},
        cast(sum(case when contribution = 0{{ voiced }} then 1 else 0 end) as bigint) as passives_{{ scope }},
        cast(sum(case when contribution < 0{{ voiced }} then 1 else 0 end) as bigint) as detractors_{{ scope }}
        {%- endfor %}
    from flagged
    group by grouping sets (
        (metric, survey_type, responded_on)
        {%- for dimension in dimensions %},
        (metric, survey_type, responded_on, {{ dimension }})
        {%- endfor %}
    )
)

select * from counted
