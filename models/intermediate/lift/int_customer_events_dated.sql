{{ config(materialized='view') }}

with invoices as (
    select
        customer_key,
        moved_at,
        revenue
    from {{ ref('int_customer_money_moved') }}
    where revenue <> 0
),

referrals as (
    select
        referrer_customer_key,
        referred_at
    from {{ ref('int_referrals_versioned') }}
    where row_status = 'accepted'
),

tickets as (
    select
        customer_key,
        opened_at
    from {{ ref('int_support_tickets_versioned') }}
    where row_status = 'accepted'
),

product_usage as (
    select
        customer_key,
        used_on,
        quantity
    from {{ ref('int_product_usage_versioned') }}
    where row_status = 'accepted'
),

workspace as (
    select timezone from {{ source('raw', 'workspace') }}
),

events as (
    select
        'revenue' as measure,
        invoices.customer_key,
        {{ business_date('invoices.moved_at', 'workspace.timezone') }} as happened_on,
        invoices.revenue as amount
    from invoices
    cross join workspace

    union all

    select
        'referrals' as measure,
        referrals.referrer_customer_key as customer_key,
        {{ business_date('referrals.referred_at', 'workspace.timezone') }} as happened_on,
        cast(1 as double) as amount
    from referrals
    cross join workspace

    union all

    select
        'tickets' as measure,
        tickets.customer_key,
        {{ business_date('tickets.opened_at', 'workspace.timezone') }} as happened_on,
        cast(1 as double) as amount
    from tickets
    cross join workspace

    union all

    select
        'usage' as measure,
        customer_key,
        used_on as happened_on,
        quantity as amount
    from product_usage
)

select * from events
