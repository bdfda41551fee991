{{ config(
    materialized='incremental',
    incremental_strategy='replace',
    meta={'changed': {'key': 'customer_key', 'model': 'int_customers_affected'}},
) }}
{%- set response_days = 'cast(' ~ assumption('response_days') ~ ' as int)' -%}
{%- set columns = ['invitation_key', 'customer_key', 'metric', 'survey_type', 'sent_at', 'sent_on', 'landmark_at', 'landmark_on'] %}

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

responses as (
    select * from {{ ref('fct_nps_responses') }}
    where
        customer_key is not null
        and {{ is_affected('customer_key', 'int_customers_affected') }}
),

-- what was answered by the landmark; of several answers the first
answered as (
    select
        asked.invitation_key,
        responses.nps_class,
        {{ segment_list('responses.', from_mart=true) }}
        row_number() over (
            partition by asked.invitation_key
            order by responses.responded_at asc nulls last, responses.response_key asc nulls last
        ) as turn
    from {{ ref('int_survey_responses_versioned') }} as links
    inner join responses on links.response_key = responses.response_key
    inner join asked on links.invitation_key = asked.invitation_key
    -- one condition, so that keys alone are joined: by customers each would meet all of their answers
    where
        links.row_status = 'accepted'
        and case
            when asked.customer_key = responses.customer_key and asked.metric = responses.metric and asked.survey_type = responses.survey_type
                then asked.landmark_at >= responses.responded_at
        end
),

-- an answer that cannot be read is an answer
answer_times as (
    {%- for relation in ['responses', 'asked'] %}
    select
        customer_key,
        metric,
        survey_type,
        responded_at
    from {{ relation }}
    where responded_at is not null
    {{ 'union all' if loop.first }}
    {%- endfor %}
),

first_answers as (
    select
        customer_key,
        metric,
        survey_type,
        min(responded_at) as responded_at
    from answer_times
    group by customer_key, metric, survey_type
),

-- open ends are closed far away: an OR in an outer join would compare everybody with everybody
history as (
    select
        customer_key,
        {{ segment_list() }}
        valid_from,
        coalesce(valid_to, cast('9999-12-31' as timestamp)) as valid_to
    from {{ ref('int_customer_history_built') }}
),

-- who answers after the landmark was silent at it
judged as (
    select
        {{ columns | join(', ') }},
        coalesce(responded_at <= landmark_at, false) as is_answered
    from asked
),

final as (
    select
        judged.*,
        case
            when judged.is_answered then answered.nps_class
            when first_answers.responded_at <= judged.landmark_at then 'answered_other'
            else 'no_response'
        end as nps_class,
        {%- for segment in segment_columns() %}
        case when judged.is_answered then answered.{{ segment }} else history.{{ segment }} end as {{ segment }},
        {%- endfor %}
        case
            when lifecycles.churned_at > judged.landmark_at
                then cast({{ dbt.datediff('judged.landmark_on', business_date('lifecycles.churned_at'), 'day') }} as int)
        end as days_to_churn,
        lifecycles.has_churn_information,
        lifecycles.churned_at is null or lifecycles.churned_at > judged.landmark_at as may_be_active
    from judged
    inner join {{ ref('int_customer_lifecycles_dated') }} as lifecycles on judged.customer_key = lifecycles.customer_key
    left join answered on judged.invitation_key = answered.invitation_key and answered.turn = 1
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
)

select * from final
