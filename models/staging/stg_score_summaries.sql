select
    -- text
    lower(trim(metric)) as metric,
    lower(trim(survey_type)) as survey_type,
    coalesce(nullif(trim(dimension), ''), 'all') as dimension,
    coalesce(nullif(trim(segment), ''), case when trim(dimension) <> '' then '(unknown)' else 'all' end) as segment,

    -- numerics
    {%- for count in ['promoters', 'passives', 'detractors'] %}
    cast({{ try_cast('trim(' ~ count ~ ')', 'double') }} as bigint) as {{ count }},
    {%- endfor %}

    -- dates
    {{ try_cast('period_start', 'date') }} as period_start,
    {{ try_cast('period_end', 'date') }} as period_end,

    -- verdict
    case
        when _flags like '%_row:excluded%' then 'excluded'
        when metric is null or survey_type is null then 'missing_required'
        when lower(trim(metric)) not in (select metrics.metric from {{ ref('metrics') }} as metrics) then 'bad_value'
        {{ timestamp_reasons('period_start', required=true) }}
        {{ timestamp_reasons('period_end') }}
        when {{ try_cast('period_end', 'date') }} < {{ try_cast('period_start', 'date') }} then 'bad_value'
        {%- for count in ['promoters', 'passives', 'detractors'] %}
        when {{ count }} is null then 'missing_required'
        when not {{ matches('trim(' ~ count ~ ')', '[0-9]{1,15}([.]0+)?') }} then 'bad_number'
        {%- endfor %}
        -- a metric of two classes has no worst one
        when
            {{ try_cast('trim(detractors)', 'double') }} > 0
            and lower(trim(metric)) in (
                select metrics.metric from {{ ref('metrics') }} as metrics
                where metrics.bottom_prior = 0
            )
            then 'bad_value'
    end as reject_reason,

    -- provenance
    {{ provenance() }}
from {{ source('raw', 'score_summaries') }}
