-- an earlier delivery had it closed
with closings as (
    select distinct case_key
    from {{ ref('int_follow_ups_versioned') }}
    where row_status = 'superseded' and closed_at is not null
)

select
    cases.*,
    cases.closed_at is null or coalesce(cases.reopened_at > cases.closed_at, false) as is_open,
    cases.reopened_at is not null or (cases.closed_at is null and closings.case_key is not null) as is_reopened,
    responses.customer_key,
    responses.voice_key,
    responses.metric,
    responses.survey_type,
    responses.nps_class,
    responses.contribution,
    {{ segment_list('responses.', from_mart=true) }}
    responses.responded_at,
    responses.responded_on,
    lower(trim(accounts.tier)) as account_tier
from {{ ref('int_follow_ups_known') }} as cases
left join closings on cases.case_key = closings.case_key
left join {{ ref('fct_nps_responses') }} as responses on cases.response_key = responses.response_key
left join {{ ref('int_accounts_versioned') }} as accounts on responses.account_key = accounts.account_key and accounts.row_status = 'accepted'
