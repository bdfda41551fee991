{{ config(
    materialized='incremental',
    incremental_strategy='replace',
    meta={'changed': {'key': 'customer_key', 'model': 'int_customers_affected'}},
) }}

with customers as (
    select * from {{ ref('int_customers_known') }}
    where {{ is_affected('customer_key', 'int_customers_affected') }}
),

-- a quarantined subscription may be running: its customer does not count as churned
subscriptions as (
    select
        delivered.customer_key,
        delivered.ended_at
    from {{ ref('int_subscriptions_versioned') }} as delivered
    left join {{ ref('int_subscriptions_versioned') }} as accepted
        on
            delivered.subscription_key = accepted.subscription_key
            and accepted.row_status = 'accepted'
    where
        (
            delivered.row_status = 'accepted'
            or (delivered.row_status = 'quarantined' and accepted.subscription_key is null)
        )
        and {{ is_affected('delivered.customer_key', 'int_customers_affected') }}
),

-- a customer churns with the end of the last subscription, if all have ended
ended as (
    select
        subscriptions.customer_key,
        max(subscriptions.ended_at) as ended_at
    from subscriptions
    group by subscriptions.customer_key
    having count(*) = count(subscriptions.ended_at)
),

states as (
    select * from {{ ref('int_customer_states_dated') }}
    where {{ is_affected('customer_key', 'int_customers_affected') }}
),

dated as (
    select
        customers.customer_key,
        customers.customer_source,
        customers.signed_up_at,
        coalesce(customers.churned_at, ended.ended_at, states.churned_at) as churned_at,
        states.is_churned,
        states.active_from
    from customers
    left join ended on customers.customer_key = ended.customer_key
    left join states on customers.customer_key = states.customer_key
),

-- no delivered churn means no churn only where a source reports churn; who has left nobody knows when is followed
-- no more than whom no snapshot saw active
final as (
    select
        dated.customer_key,
        dated.signed_up_at,
        dated.churned_at,
        dated.is_churned,
        case when not coalesce(sources.has_churn_information, false) then dated.active_from end as churn_known_from,
        (coalesce(sources.has_churn_information, false) or (coalesce(sources.has_churn_states, false) and dated.active_from is not null))
        and (dated.churned_at is not null or not coalesce(dated.is_churned, false)) as has_churn_information,
        coalesce(sources.has_mrr_information, false) as has_mrr_information,
        coalesce(sources.has_revenue_information, false) as has_revenue_information
    from dated
    left join {{ ref('int_customer_sources_described') }} as sources on dated.customer_source = sources.customer_source
)

select * from final
