{{ config(
    materialized='incremental',
    incremental_strategy='replace',
    meta={'changed': {'key': 'invitation_key', 'model': 'int_invitations_affected'}},
) }}
{%- set events = ['delivered_at', 'opened_at', 'responded_at', 'bounced_at', 'opted_out_at'] %}

-- silence means something only where the source would have reported the contrary
with reporting as (
    select
        source,
        {%- for event in events %}
        max(case when entity = 'survey_invitations' and column_name = '{{ event }}' then 1 else 0 end) = 1 as reports_{{ event }},
        {%- endfor %}
        max(case when entity = 'survey_responses' and column_name = 'invitation_id' then 1 else 0 end) = 1 as reports_answers
    from {{ source('raw', 'mapped_columns') }}
    group by source
),

invitations as (
    select * from {{ ref('int_survey_invitations_versioned') }}
    where
        row_status = 'accepted'
        and {{ is_affected('invitation_key', 'int_invitations_affected') }}
),

-- who answered, if only by something that cannot be read, was not silent
answers as (
    select
        responses.invitation_key,
        max(case when responses.row_status = 'accepted' then 1 else 0 end) = 1 as is_scored,
        min(case when responses.row_status = 'accepted' then responses.submitted_at end) as submitted_at
    from {{ ref('int_survey_responses_versioned') }} as responses
    left join {{ ref('reject_reasons') }} as reasons on responses.reject_reason = reasons.reason
    where
        responses.invitation_key is not null
        and (responses.row_status = 'accepted' or reasons.is_mistake)
        and {{ is_affected('invitation_key', 'int_invitations_affected') }}
    group by responses.invitation_key
),

workspace as (
    select * from {{ source('raw', 'workspace') }}
),

-- what is dated later has not happened yet at as_of
happened as (
    select
        invitations.invitation_key,
        invitations.source,
        invitations.survey_id,
        invitations.channel,
        invitations.customer_key,
        invitations.email_key,
        invitations.sent_at
        {%- for event in events %},
        case when invitations.{{ event }} < workspace.as_of_at then invitations.{{ event }} end as {{ event }}
        {%- endfor %}
    from invitations
    cross join workspace
),

-- what is noted holds; what is not noted did not happen where the source would have reported it
followed as (
    select
        happened.*,
        -- hashed only where no such survey is known
        coalesce(surveys.survey_key, {{ surrogate_key('happened.source', 'happened.survey_id') }}) as survey_key,
        surveys.metric,
        surveys.survey_type,
        coalesce(customers.customer_key, emails.customer_key) as identified_key,
        coalesce(answers.submitted_at, happened.responded_at) as answered_at,
        {%- for flag, event in [('is_bounced', 'bounced_at'), ('was_seen', 'opened_at'), ('is_opted_out', 'opted_out_at')] %}
        case when happened.{{ event }} is not null then true when reporting.reports_{{ event }} then false end as {{ flag }},
        {%- endfor %}
        case
            when happened.delivered_at is not null then true
            when reporting.reports_delivered_at then false
            -- of a source that reports bounces alone, the others arrived
            when reporting.reports_bounced_at then true
        end as has_arrived,
        case
            when answers.invitation_key is not null or happened.responded_at is not null then true
            when reporting.reports_responded_at or reporting.reports_answers then false
        end as is_responded,
        case when answers.is_scored then true when reporting.reports_answers then false end as is_scored
    from happened
    left join reporting on happened.source = reporting.source
    left join answers on happened.invitation_key = answers.invitation_key
    left join {{ ref('int_surveys_known') }} as surveys on happened.source = surveys.source and happened.survey_id = surveys.survey_id
    left join {{ ref('int_customers_known') }} as customers on happened.customer_key = customers.customer_key
    left join {{ ref('int_customer_emails_resolved') }} as emails on happened.email_key = emails.email_key
),

-- who answered has opened, and what was opened has arrived, whatever else is noted
final as (
    select
        followed.invitation_key,
        followed.source,
        followed.survey_key,
        followed.survey_id,
        followed.metric,
        followed.survey_type,
        lower(trim(followed.channel)) as channel,
        followed.identified_key as customer_key,
        coalesce(followed.identified_key, followed.customer_key) as asked_key,
        followed.sent_at,
        {{ business_date('followed.sent_at') }} as sent_on,
        followed.is_bounced,
        case
            when followed.is_responded or followed.was_seen then true
            when followed.is_bounced then false
            else followed.has_arrived
        end as is_delivered,
        case when followed.is_responded then true else followed.was_seen end as is_opened,
        followed.is_responded,
        followed.answered_at,
        followed.is_scored,
        followed.is_opted_out,
        {{ business_date('followed.opted_out_at') }} as opted_out_on
    from followed
)

select * from final
