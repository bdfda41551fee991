{%- set attributes = driver_attributes() -%}

with dealt as (
    select
        ranked.metric,
        ranked.survey_type,
        cast(floor({{ random_share('ranked.voice_key', 'cast(' ~ assumption('random_seed') ~ ' as bigint)') }} * {{ assumption('key_driver_parts') }}) as int) as part,
        {{ segment_list('ranked.') }}
        ranked.channel,
        ranked.touchpoint,
        ranked.survey,
        {%- for metric in ['nps', 'csat', 'ces'] %}
        case when ranked.metric <> '{{ metric }}' then coalesce(known.class_{{ metric }}, '(none)') end as class_{{ metric }},
        {%- endfor %}
        ranked.contribution
    from {{ ref('int_driver_answers_ranked') }} as ranked
    inner join {{ ref('int_driver_classes_known') }} as known on ranked.voice_key = known.voice_key
    where ranked.place_of_type = 1
)

select
    metric,
    survey_type,
    part,
    {{ attributes | join(', ') }},
    count(*) as voices,
    cast(sum(contribution) as bigint) as contributions,
    cast(sum(contribution * contribution) as bigint) as squares
from dealt
group by metric, survey_type, part, {{ attributes | join(', ') }}
