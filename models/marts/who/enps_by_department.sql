{%- set figures = ['responses', 'promoters', 'passives', 'detractors', 'nps', 'standard_error', 'ci_low', 'ci_high'] -%}

with pooled as (
    select * from {{ ref('int_departments_pooled') }}
),

{{ score_counts('pooled') }}

-- which departments of a pool gave no answer is not shown, either
select
    'quarter' as time_grain,
    pooled.period_start,
    pooled.period_end,
    pooled.metric,
    pooled.survey_type,
    pooled.department,
    {%- for figure in figures %}
    case when not pooled.is_pooled then scored.{{ figure }} end as {{ figure }},
    {%- endfor %}
    pooled.is_pooled as is_suppressed
from pooled
left join scored
    on
        pooled.metric = scored.metric
        and pooled.survey_type = scored.survey_type
        and pooled.period_start = scored.period_start
        and pooled.department = scored.department
where pooled.is_pooled or scored.responses > 0
