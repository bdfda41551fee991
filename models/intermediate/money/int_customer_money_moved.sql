{{ config(materialized='view') }}

with invoices as (
    select * from {{ ref('int_invoices_versioned') }}
    where row_status = 'accepted'
),

subscriptions as (
    select * from {{ ref('int_subscriptions_versioned') }}
    where row_status = 'accepted'
),

moved as (
    select
        customer_key,
        invoiced_at as moved_at,
        amount as revenue,
        cast(0 as double) as mrr_change
    from invoices

    union all

    select
        customer_key,
        started_at as moved_at,
        cast(0 as double) as revenue,
        coalesce(mrr, 0) as mrr_change
    from subscriptions

    union all

    select
        customer_key,
        ended_at as moved_at,
        cast(0 as double) as revenue,
        -coalesce(mrr, 0) as mrr_change
    from subscriptions
    where ended_at is not null
)

select * from moved
