select
    responses.metric,
    responses.survey_type,
    responses.voice_key,
    responses.nps_class,
    responses.contribution,
    {%- for column, published_name in segment_columns().items() %}
    coalesce(responses.{{ adapter.quote(published_name) }}, '(unknown)') as {{ column }},
    {%- endfor %}
    coalesce(responses.channel, '(unknown)') as channel,
    coalesce(responses.touchpoint, '(unknown)') as touchpoint,
    coalesce(responses.survey_id, '(unknown)') as survey,
    row_number() over (
        partition by responses.voice_key, responses.metric, responses.survey_type
        order by {{ latest_first('responses') }}
    ) as place_of_type,
    row_number() over (
        partition by responses.voice_key, responses.metric
        order by {{ latest_first('responses') }}
    ) as place_of_metric
from {{ ref('fct_nps_responses') }} as responses
cross join {{ source('raw', 'workspace') }} as workspace
where responses.responded_on > {{ days_after('workspace.as_of_on', '-cast(' ~ assumption('key_driver_days') ~ ' as int)') }}
