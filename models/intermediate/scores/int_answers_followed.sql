with {{ follow_voices() }}

select
    voice_key,
    metric,
    survey_type,
    responded_on,
    previous_on,
    next_on,
    score,
    case when contribution > 0 then 1 when contribution < 0 then -1 else 0 end as mark
    {%- for dimension in dimensions() %},
    {{ dimension }}
    {%- endfor %}
from followed
