{{ config(
    materialized='incremental',
    incremental_strategy='replace',
    meta={'changed': {'key': 'invitation_key', 'model': 'int_invitations_affected'}},
) }}

with mapped_columns as (
    select * from {{ source('raw', 'mapped_columns') }}
),

-- silence is told only by a source that could have told the contrary
telling as (
    select
        source,
        max(case when entity = 'survey_invitations' and column_name = 'delivered_at' then 1 else 0 end) = 1 as tells_delivery,
        max(case when entity = 'survey_invitations' and column_name = 'opened_at' then 1 else 0 end) = 1 as tells_opening,
        max(case when entity = 'survey_invitations' and column_name = 'responded_at' then 1 else 0 end) = 1 as tells_response,
        max(case when entity = 'survey_invitations' and column_name = 'bounced_at' then 1 else 0 end) = 1 as tells_bounce,
        max(case when entity = 'survey_invitations' and column_name = 'opted_out_at' then 1 else 0 end) = 1 as tells_opting_out,
        max(case when entity = 'survey_responses' and column_name = 'invitation_id' then 1 else 0 end) = 1 as tells_answers
    from mapped_columns
    group by source
),

invitations as (
    select * from {{ ref('int_survey_invitations_versioned') }}
    where
        row_status = 'accepted'
        and {{ is_affected('invitation_key', 'int_invitations_affected') }}
),

surveys as (
    select * from {{ ref('int_surveys_known') }}
),

-- who answered, if only by something that cannot be read, was not silent
answers as (
    select
        responses.invitation_key,
        max(case when responses.row_status = 'accepted' then 1 else 0 end) = 1 as is_scored
    from {{ ref('int_survey_responses_versioned') }} as responses
    left join {{ ref('reject_reasons') }} as reasons on responses.reject_reason = reasons.reason
    where
        responses.invitation_key is not null
        and (responses.row_status = 'accepted' or reasons.is_mistake)
        and {{ is_affected('invitation_key', 'int_invitations_affected') }}
    group by responses.invitation_key
),

customers as (
    select customer_key from {{ ref('int_customers_known') }}
),

emails as (
    select * from {{ ref('int_customer_emails_resolved') }}
),

workspace as (
    select
        timezone,
        as_of_at
    from {{ source('raw', 'workspace') }}
),

-- what is dated later has not happened yet at as_of
keyed as (
    {%- set events = ['delivered_at', 'opened_at', 'responded_at', 'bounced_at', 'opted_out_at'] %}
    select
        invitations.* {{ except_columns(events) }}
        {%- for event in events %},
        case when invitations.{{ event }} < workspace.as_of_at then invitations.{{ event }} end as {{ event }}
        {%- endfor %},
        {{ surrogate_key('invitations.source', 'invitations.survey_id') }} as survey_key
    from invitations
    cross join workspace
),

-- what is noted holds; what is not noted did not happen where the source would have told
told as (
    select
        keyed.* {{ except_columns(['channel', 'customer_key']) }},
        surveys.metric,
        surveys.survey_type,
        lower(trim(keyed.channel)) as channel,
        coalesce(customers.customer_key, emails.customer_key) as customer_key,
        coalesce(customers.customer_key, emails.customer_key, keyed.customer_key) as asked_key,
        case
            when keyed.bounced_at is not null then true
            when telling.tells_bounce then false
        end as is_bounced,
        case
            when keyed.delivered_at is not null then true
            when telling.tells_delivery then false
            -- of a source that tells of bounces alone, the others arrived
            when telling.tells_bounce then true
        end as has_arrived,
        case
            when keyed.opened_at is not null then true
            when telling.tells_opening then false
        end as was_seen,
        case
            when answers.invitation_key is not null or keyed.responded_at is not null then true
            when telling.tells_response or telling.tells_answers then false
        end as is_responded,
        case
            when answers.is_scored then true
            when telling.tells_answers then false
        end as is_scored,
        case
            when keyed.opted_out_at is not null then true
            when telling.tells_opting_out then false
        end as is_opted_out
    from keyed
    left join telling on keyed.source = telling.source
    left join answers on keyed.invitation_key = answers.invitation_key
    left join surveys on keyed.survey_key = surveys.survey_key
    left join customers on keyed.customer_key = customers.customer_key
    left join emails on keyed.email_key = emails.email_key
),

-- who answered has opened, and what was opened has arrived, whatever else is noted
final as (
    select
        told.invitation_key,
        told.source,
        told.survey_key,
        told.survey_id,
        told.metric,
        told.survey_type,
        told.channel,
        told.customer_key,
        told.asked_key,
        told.sent_at,
        {{ business_date('told.sent_at', 'workspace.timezone') }} as sent_on,
        told.is_bounced,
        case
            when told.is_responded or told.was_seen then true
            when told.is_bounced then false
            else told.has_arrived
        end as is_delivered,
        case when told.is_responded then true else told.was_seen end as is_opened,
        told.is_responded,
        told.is_scored,
        told.is_opted_out,
        {{ business_date('told.opted_out_at', 'workspace.timezone') }} as opted_out_on
    from told
    cross join workspace
)

select * from final
