{{ config(materialized='view') }}

select
    customer_key,
    invoiced_at as moved_at,
    amount as revenue,
    cast(0 as double) as mrr_change
from {{ ref('int_invoices_versioned') }}
where row_status = 'accepted'

union all

select
    customer_key,
    started_at as moved_at,
    cast(0 as double) as revenue,
    coalesce(mrr, 0) as mrr_change
from {{ ref('int_subscriptions_versioned') }}
where row_status = 'accepted'

union all

select
    customer_key,
    ended_at as moved_at,
    cast(0 as double) as revenue,
    -coalesce(mrr, 0) as mrr_change
from {{ ref('int_subscriptions_versioned') }}
where row_status = 'accepted' and ended_at is not null
