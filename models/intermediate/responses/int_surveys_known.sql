with surveys as (
    select * from {{ ref('int_surveys_versioned') }}
    where row_status = 'accepted'
),

-- what no file says of a survey, its answers say of themselves
answered as (
    select
        survey_key,
        source,
        survey_id,
        min(metric) as metric,
        min(survey_type) as survey_type,
        min(scale) as scale,
        case when min(touchpoint) = max(touchpoint) then min(touchpoint) end as touchpoint
    from {{ ref('int_survey_responses_versioned') }}
    where row_status = 'accepted' and survey_key is not null
    group by survey_key, source, survey_id
)

select
    coalesce(surveys.survey_key, answered.survey_key) as survey_key,
    coalesce(surveys.source, answered.source) as source,
    coalesce(surveys.survey_id, answered.survey_id) as survey_id,
    surveys.name,
    surveys.row_hash,
    coalesce(surveys.metric, answered.metric) as metric,
    coalesce(surveys.survey_type, answered.survey_type) as survey_type,
    coalesce(surveys.scale, answered.scale) as scale,
    coalesce(surveys.touchpoint, answered.touchpoint) as touchpoint
from surveys
full outer join answered on surveys.survey_key = answered.survey_key
