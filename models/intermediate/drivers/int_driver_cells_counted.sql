{%- set attributes = (dimensions() | list) + var('driver_classes') -%}

with dealt as (
    select
        chosen.metric,
        chosen.survey_type,
        cast(floor({{ random_share('chosen.voice_key', 'cast(' ~ assumption('random_seed') ~ ' as bigint)') }} * {{ assumption('key_driver_parts') }}) as int) as part,
        {{ segment_list('chosen.') }}
        chosen.channel,
        chosen.touchpoint,
        chosen.survey,
        {%- for metric in ['nps', 'csat', 'ces'] %}
        case when chosen.metric <> '{{ metric }}' then coalesce(known.class_{{ metric }}, '(none)') end as class_{{ metric }},
        {%- endfor %}
        chosen.contribution
    from {{ ref('int_driver_answers_chosen') }} as chosen
    inner join {{ ref('int_driver_classes_known') }} as known on chosen.voice_key = known.voice_key
)

select
    metric,
    survey_type,
    part,
    {{ attributes | join(', ') }},
    count(*) as voices,
    cast(sum(case when contribution > 0 then 1 else 0 end) as bigint) as promoters,
    cast(sum(contribution) as bigint) as contributions,
    cast(sum(contribution * contribution) as bigint) as squares
from dealt
group by metric, survey_type, part, {{ attributes | join(', ') }}
