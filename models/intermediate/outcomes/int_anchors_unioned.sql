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
    has_churn_information,
    has_churn_information and was_active_at_answer as is_at_risk
from {{ ref('fct_nps_churn') }}

union all

select
    customer_key,
    metric,
    survey_type,
    'no_response' as nps_class,
    {{ segment_list() }}
    sent_on as anchored_on,
    days_to_churn,
    invitation_key as anchor_key,
    has_churn_information,
    has_churn_information and was_active_when_sent as is_at_risk
from {{ ref('int_invitations_unanswered') }}
