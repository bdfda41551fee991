{{ config(materialized='view') }}

-- of one snapshot a state has no date: a change of it is seen between two
with states as (
    select
        customer_source,
        min(snapshot_at) < max(snapshot_at) as has_churn_states
    from {{ ref('int_customers_versioned') }}
    where row_status = 'accepted' and is_churned is not null
    group by customer_source
)

select
    mapped.customer_source,
    max(case
        when mapped.entity = 'customers' and mapped.column_name = 'churned_at' then 1
        when mapped.entity = 'subscriptions' and mapped.column_name = 'ended_at' then 1
        else 0
    end) = 1 as has_churn_information,
    max(case when mapped.entity = 'subscriptions' and mapped.column_name = 'mrr' then 1 else 0 end) = 1 as has_mrr_information,
    max(case when mapped.entity = 'invoices' then 1 else 0 end) = 1 as has_revenue_information,
    max(case when mapped.entity = 'referrals' then 1 else 0 end) = 1 as has_referrals,
    max(case when mapped.entity = 'support_tickets' then 1 else 0 end) = 1 as has_tickets,
    max(case when mapped.entity = 'product_usage' then 1 else 0 end) = 1 as has_usage,
    max(case when mapped.entity = 'survey_invitations' then 1 else 0 end) = 1 as has_invitations,
    coalesce(states.has_churn_states, false) as has_churn_states
from {{ source('raw', 'mapped_columns') }} as mapped
left join states on mapped.customer_source = states.customer_source
group by mapped.customer_source, states.has_churn_states
