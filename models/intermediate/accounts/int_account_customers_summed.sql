with renewals as (
    select
        subscriptions.customer_key,
        min(subscriptions.renews_at) as renews_at
    from {{ ref('int_subscriptions_versioned') }} as subscriptions
    cross join {{ source('raw', 'workspace') }} as workspace
    where
        subscriptions.row_status = 'accepted'
        and subscriptions.renews_at >= workspace.as_of_at
        and (subscriptions.ended_at is null or subscriptions.ended_at >= workspace.as_of_at)
    group by subscriptions.customer_key
)

select
    customers.account_key,
    count(*) as customers,
    max(case when customers.is_active then 1 when not customers.is_active then 0 end) = 1 as is_active,
    cast(min(coalesce(customers.signed_up_at, cast('1900-01-01' as timestamp))) as date) as since_on,
    cast(max(coalesce(customers.churned_at, cast('9999-12-31' as timestamp))) as date) as left_on,
    {{ exact_sum('case when lifecycles.has_mrr_information then coalesce(customer_values.mrr, 0) end') }} as mrr,
    {{ business_date('min(renewals.renews_at)') }} as renews_on
from {{ ref('dim_customers') }} as customers
left join {{ ref('int_customer_lifecycles_dated') }} as lifecycles on customers.customer_key = lifecycles.customer_key
left join {{ ref('int_customer_values_summed') }} as customer_values on customers.customer_key = customer_values.customer_key
left join renewals on customers.customer_key = renewals.customer_key
where customers.account_key is not null
group by customers.account_key
