{{ config(
    materialized='incremental',
    incremental_strategy='replace',
    meta={'changed': {'key': 'customer_key', 'model': 'int_customers_affected'}},
) }}

-- a bounced invitation reached no customer, so its silence says nothing; where it is unknown which invitation
-- was answered, silence is unknown
with unanswered as (
    select * from {{ ref('int_invitations_identified') }}
    where
        metric is not null
        and not is_responded
        and not coalesce(is_bounced, false)
        and {{ is_affected('customer_key', 'int_customers_affected') }}
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

final as (
    select
        unanswered.invitation_key,
        unanswered.customer_key,
        unanswered.metric,
        unanswered.survey_type,
        {{ segment_list('history.') }}
        unanswered.sent_on,
        case
            when lifecycles.churned_at > unanswered.sent_at
                then cast({{ dbt.datediff('unanswered.sent_on', business_date('lifecycles.churned_at'), 'day') }} as int)
        end as days_to_churn,
        lifecycles.has_churn_information,
        lifecycles.churned_at is null or lifecycles.churned_at > unanswered.sent_at as was_active_when_sent
    from unanswered
    inner join {{ ref('int_customer_lifecycles_dated') }} as lifecycles on unanswered.customer_key = lifecycles.customer_key
    left join history
        on
            unanswered.customer_key = history.customer_key
            and unanswered.sent_at >= history.valid_from
            and unanswered.sent_at < history.valid_to
)

select * from final
