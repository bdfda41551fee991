select
    survey_key,
    source,
    {{ public_text('survey_id', 'survey_key') }} as survey_id,
    name,
    metric,
    survey_type,
    scale,
    touchpoint
from {{ ref('int_surveys_known') }}
