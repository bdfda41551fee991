with ranked as (
    select
        responses.*,
        row_number() over (
            partition by responses.voice_key, responses.metric, responses.survey_type
            order by {{ latest_first('responses') }}
        ) as place
    from {{ ref('fct_nps_responses') }} as responses
    cross join {{ source('raw', 'workspace') }} as workspace
    where responses.responded_on > {{ days_after('workspace.as_of_on', '-cast(' ~ assumption('key_driver_days') ~ ' as int)') }}
)

-- the latest to a metric is among the latest to its survey types
select
    ranked.metric,
    ranked.survey_type,
    ranked.voice_key,
    ranked.nps_class,
    ranked.contribution,
    ranked.responded_at,
    {%- for column, published_name in segment_columns().items() %}
    coalesce(ranked.{{ adapter.quote(published_name) }}, '(unknown)') as {{ column }},
    {%- endfor %}
    coalesce(ranked.channel, '(unknown)') as channel,
    coalesce(ranked.touchpoint, '(unknown)') as touchpoint,
    coalesce(ranked.survey_id, '(unknown)') as survey,
    row_number() over (
        partition by ranked.voice_key, ranked.metric
        order by {{ latest_first('ranked') }}
    ) = 1 as is_latest_of_metric
from ranked
where ranked.place = 1
