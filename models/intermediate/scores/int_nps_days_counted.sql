{%- set classes = {'promoters': '> 0', 'passives': '= 0', 'detractors': '< 0'} -%}

select
    metric,
    survey_type,
    responded_on,
    dimension,
    segment
    {%- for scope in ['responses'] + time_grains() + ['all'] %}
    {%- set count = 'responses' if scope == 'responses' else 'voices_' ~ scope %}
    {%- for class, condition in classes.items() %},
    cast(sum(case when contribution {{ condition }} then {{ count }} else 0 end) as bigint) as {{ class }}_{{ scope }}
    {%- endfor %}
    {%- endfor %}
from {{ ref('int_nps_scores_counted') }}
where dimension <> 'all dimensions'
group by metric, survey_type, responded_on, dimension, segment
