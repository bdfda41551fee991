{{ config(materialized='view') }}

-- What happened to a customer, each event on its business day.
with customers as (
    select
        customer,
        customer_key
    from {{ ref('int_feature_customers_numbered') }}
),

events as (
    select
        customer,
        responded_on as happened_on,
        turn,
        cast(null as double) as revenue,
        cast(null as int) as ticket,
        cast(null as double) as quantity
    from {{ ref('int_feature_answers_ranked') }}

    union all

    select
        customers.customer,
        {{ business_date('moved.moved_at') }} as happened_on,
        cast(null as int) as turn,
        moved.revenue,
        cast(null as int) as ticket,
        cast(null as double) as quantity
    from {{ ref('int_customer_money_moved') }} as moved
    inner join customers on moved.customer_key = customers.customer_key
    where moved.revenue <> 0

    union all

    select
        customers.customer,
        {{ business_date('tickets.opened_at') }} as happened_on,
        cast(null as int) as turn,
        cast(null as double) as revenue,
        1 as ticket,
        cast(null as double) as quantity
    from {{ ref('int_support_tickets_versioned') }} as tickets
    inner join customers on tickets.customer_key = customers.customer_key
    where tickets.row_status = 'accepted'

    union all

    select
        customers.customer,
        usage.used_on as happened_on,
        cast(null as int) as turn,
        cast(null as double) as revenue,
        cast(null as int) as ticket,
        usage.quantity
    from {{ ref('int_product_usage_versioned') }} as usage
    inner join customers on usage.customer_key = customers.customer_key
    where usage.row_status = 'accepted'
)

select * from events
