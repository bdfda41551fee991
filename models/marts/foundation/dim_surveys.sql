select
    survey_key,
    source,
    survey_id,
    name,
    metric,
    survey_type,
    scale,
    touchpoint
from {{ ref('int_surveys_known') }}
