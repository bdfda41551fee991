{{ config(
    materialized='incremental',
    incremental_strategy='replace',
    meta={'changed': {'key': 'customer_key', 'model': 'int_customers_affected'}},
) }}
{%- set response_days = 'cast(' ~ assumption('response_days') ~ ' as int)' -%}
{%- set voice = ['customer_key', 'metric', 'survey_type'] %}
{%- set columns = ['invitation_key'] + voice + ['sent_at', 'sent_on', 'landmark_at', 'landmark_on'] %}

-- a bounced invitation reached no customer, so its silence says nothing; where it is unknown which invitation
-- was answered, silence is unknown
with asked as (
    select
        *,
        case when is_responded then coalesce(answered_at, sent_at) end as responded_at,
        {{ dbt.dateadd('day', response_days, 'sent_at') }} as landmark_at,
        {{ days_after('sent_on', response_days) }} as landmark_on
    from {{ ref('int_invitations_identified') }}
    where
        metric is not null
        and is_responded is not null
        and (is_responded or not coalesce(is_bounced, false))
        and {{ is_affected('customer_key', 'int_customers_affected') }}
),

-- who answers after the landmark was silent at it
judged as (
    select
        {{ columns | join(', ') }},
        coalesce(responded_at <= landmark_at, false) as is_answered
    from asked
),

-- an answer that cannot be read is an answer
answer_times as (
    select
        {{ voice | join(', ') }},
        responded_at
    from {{ ref('fct_nps_responses') }}
    where customer_key is not null and {{ is_affected('customer_key', 'int_customers_affected') }}

    union all

    select
        {{ voice | join(', ') }},
        coalesce(answered_at, sent_at) as responded_at
    from {{ ref('int_invitations_identified') }}
    where is_responded and metric is not null and {{ is_affected('customer_key', 'int_customers_affected') }}
),

first_answers as (
    select
        {{ voice | join(', ') }},
        min(responded_at) as responded_at
    from answer_times
    group by {{ voice | join(', ') }}
),

-- open ends are closed far away: an OR in an outer join would compare everybody with everybody
history as (
    select
        customer_key,
        {{ segment_list() }}
        valid_from,
        coalesce(valid_to, cast('9999-12-31' as timestamp)) as valid_to
    from {{ ref('int_customer_history_built') }}
)

select
    judged.*,
    case
        when judged.is_answered then null
        when first_answers.responded_at <= judged.landmark_at then 'answered_other'
        else 'no_response'
    end as nps_class,
    {{ segment_list('history.') }}
    case
        when lifecycles.churned_at > judged.landmark_at
            then cast({{ dbt.datediff('judged.landmark_on', business_date('lifecycles.churned_at'), 'day') }} as int)
    end as days_to_churn,
    lifecycles.has_churn_information
    and (lifecycles.churn_known_from is null or lifecycles.churn_known_from <= judged.landmark_at) as has_churn_information,
    lifecycles.churned_at is null or lifecycles.churned_at > judged.landmark_at as may_be_active
from judged
inner join {{ ref('int_customer_lifecycles_dated') }} as lifecycles on judged.customer_key = lifecycles.customer_key
left join first_answers
    on
        case when not judged.is_answered then judged.customer_key end = first_answers.customer_key
        and judged.metric = first_answers.metric
        and judged.survey_type = first_answers.survey_type
left join history
    on
        case when not judged.is_answered then judged.customer_key end = history.customer_key
        and judged.sent_at >= history.valid_from
        and judged.sent_at < history.valid_to
