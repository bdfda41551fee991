{%- set segments = segment_columns() -%}

-- a source that never tells which invitation was answered knows of no silence
with telling as (
    select distinct source
    from {{ source('raw', 'mapped_columns') }}
    where
        (entity = 'survey_invitations' and column_name = 'responded_at')
        or (entity = 'survey_responses' and column_name = 'invitation_id')
),

invitations as (
    select invitations.*
    from {{ ref('int_survey_invitations_versioned') }} as invitations
    inner join telling on invitations.source = telling.source
    where invitations.row_status = 'accepted'
),

surveys as (
    select * from {{ ref('int_surveys_known') }}
),

-- who answered, if only by something that cannot be read, was not silent
answers as (
    select distinct responses.invitation_key
    from {{ ref('int_survey_responses_versioned') }} as responses
    left join {{ ref('reject_reasons') }} as reasons on responses.reject_reason = reasons.reason
    where responses.invitation_key is not null and (responses.row_status = 'accepted' or reasons.is_mistake)
),

customers as (
    select customer_key from {{ ref('int_customers_known') }}
),

emails as (
    select * from {{ ref('int_customer_emails_resolved') }}
),

history as (
    select * from {{ ref('int_customer_history_built') }}
),

lifecycles as (
    select * from {{ ref('int_customer_lifecycles_dated') }}
),

workspace as (
    select timezone from {{ source('raw', 'workspace') }}
),

-- a bounced invitation reached nobody: its silence says nothing
unanswered as (
    select
        invitations.invitation_key,
        surveys.metric,
        surveys.survey_type,
        coalesce(customers.customer_key, emails.customer_key) as customer_key,
        invitations.sent_at
    from invitations
    left join answers on invitations.invitation_key = answers.invitation_key
    left join surveys
        on {{ surrogate_key('invitations.source', 'invitations.survey_id') }} = surveys.survey_key
    left join customers on invitations.customer_key = customers.customer_key
    left join emails on invitations.email_key = emails.email_key
    where
        answers.invitation_key is null
        and invitations.responded_at is null
        and invitations.bounced_at is null
        and surveys.metric is not null
),

final as (
    select
        unanswered.invitation_key,
        unanswered.customer_key,
        unanswered.metric,
        unanswered.survey_type,
        {{ segment_list('history.') }}
        {{ business_date('unanswered.sent_at', 'workspace.timezone') }} as sent_on,
        case
            when lifecycles.churned_at > unanswered.sent_at
                then cast({{ dbt.datediff(business_date('unanswered.sent_at', 'workspace.timezone'), business_date('lifecycles.churned_at', 'workspace.timezone'), 'day') }} as int)
        end as days_to_churn,
        lifecycles.has_churn_information,
        lifecycles.churned_at is null or lifecycles.churned_at > unanswered.sent_at as was_active_when_sent
    from unanswered
    inner join lifecycles on unanswered.customer_key = lifecycles.customer_key
    left join history
        on
            unanswered.customer_key = history.customer_key
            and unanswered.sent_at >= history.valid_from
            and (history.valid_to is null or unanswered.sent_at < history.valid_to)
    cross join workspace
)

select * from final
