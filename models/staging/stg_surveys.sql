select
    -- ids
    {{ surrogate_key('_source', 'survey_id') }} as survey_key,
    survey_id,

    -- text
    name,
    lower(trim(metric)) as metric,
    lower(trim(survey_type)) as survey_type,
    trim(scale) as scale,
    question,
    touchpoint,

    -- verdict
    case
        when _flags like '%_row:excluded%' then 'excluded'
        when survey_id is null then 'missing_id'
    end as reject_reason,

    -- provenance
    {{ provenance() }}
from {{ source('raw', 'surveys') }}
