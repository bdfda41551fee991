{{ config(materialized='view') }}

select
    customer_key,
    metric,
    survey_type,
    nps_class,
    {{ segment_list(from_mart=true) }}
    responded_on as anchored_on,
    days_to_churn,
    response_key as anchor_key,
    false as is_silence,
    has_churn_information,
    coalesce(was_active_at_answer, true) as may_be_active
from {{ ref('fct_nps_churn') }}

union all

select
    followed.customer_key,
    followed.metric,
    followed.survey_type,
    followed.nps_class,
    {{ segment_list('followed.') }}
    followed.landmark_on as anchored_on,
    followed.days_to_churn,
    followed.invitation_key as anchor_key,
    true as is_silence,
    followed.has_churn_information,
    followed.may_be_active
from {{ ref('int_invitations_followed') }} as followed
where not followed.is_answered
