select
    voice_key
    {%- for metric in ['nps', 'csat', 'ces'] %},
    max(case when metric = '{{ metric }}' then nps_class end) as class_{{ metric }}
    {%- endfor %}
from {{ ref('int_driver_answers_chosen') }}
where is_latest_of_metric
group by voice_key
