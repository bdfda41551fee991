{%- set segments = segment_columns() -%}
{%- set cell = ['metric', 'survey_type', 'from_class', 'to_class', 'was_followed_up', 'next_responded_on'] -%}

-- days, of which every period is a sum
with transitions as (
    select
        {{ cell | join(', ') }}
        {%- for column, published_name in segments.items() %},
        coalesce({{ adapter.quote(published_name) }}, '(unknown)') as {{ column }}
        {%- endfor %}
    from {{ ref('fct_nps_transitions') }}
)

select
    {{ cell | join(', ') }},
    {{ grouped_dimension(segments) }} as dimension,
    {{ grouped_dimension(segments, value=true) }} as segment,
    count(*) as transitions
from transitions
group by grouping sets (
    ({{ cell | join(', ') }})
    {%- for segment in segments %},
    ({{ cell | join(', ') }}, {{ segment }})
    {%- endfor %}
)
