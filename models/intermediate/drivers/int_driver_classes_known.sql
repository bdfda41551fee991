select
    voice_key
    {%- for metric in ['nps', 'csat', 'ces'] %},
    max(case when metric = '{{ metric }}' then nps_class end) as class_{{ metric }}
    {%- endfor %}
from {{ ref('int_driver_answers_ranked') }}
where place_of_metric = 1
group by voice_key
