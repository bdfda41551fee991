{{ config(materialized='view') }}

select
    customer_source,
    max(case
        when entity = 'customers' and column_name = 'churned_at' then 1
        when entity = 'subscriptions' and column_name = 'ended_at' then 1
        else 0
    end) = 1 as has_churn_information,
    max(case when entity = 'subscriptions' and column_name = 'mrr' then 1 else 0 end) = 1 as has_mrr_information,
    max(case when entity = 'invoices' then 1 else 0 end) = 1 as has_revenue_information,
    max(case when entity = 'referrals' then 1 else 0 end) = 1 as has_referrals,
    max(case when entity = 'support_tickets' then 1 else 0 end) = 1 as has_tickets,
    max(case when entity = 'product_usage' then 1 else 0 end) = 1 as has_usage,
    max(case when entity = 'survey_invitations' then 1 else 0 end) = 1 as has_invitations
from {{ source('raw', 'mapped_columns') }}
group by customer_source
