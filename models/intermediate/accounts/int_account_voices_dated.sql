select
    answers.account_key,
    answers.voice_key,
    days.as_of_on,
    answers.contribution
from {{ ref('int_account_answers_followed') }} as answers
inner join {{ source('raw', 'workspace') }} as workspace
    on answers.metric = workspace.headline_metric and answers.survey_type = workspace.headline_survey_type
inner join {{ ref('int_feature_days_listed') }} as days
    on
        answers.responded_on > {{ days_after('days.as_of_on', -365) }}
        and answers.responded_on <= days.as_of_on
        and (answers.next_on is null or answers.next_on > days.as_of_on)
