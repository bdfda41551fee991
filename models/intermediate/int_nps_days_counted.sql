{%- set dimensions = dimensions() -%}
{%- set grains = ['day', 'week', 'month', 'quarter', 'year'] -%}

-- One pass over the answers. Every count of every period, basis and dimension is a sum of these days.
with {{ follow_voices() }},

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
