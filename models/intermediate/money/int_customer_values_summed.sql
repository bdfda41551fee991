{{ config(
    materialized='incremental',
    incremental_strategy='replace',
    meta={'changed': {'key': 'customer_key', 'model': 'int_customers_affected'}},
) }}

with money as (
    select * from {{ ref('int_customer_money_moved') }}
    where {{ is_affected('customer_key', 'int_customers_affected') }}
),

summed as (
    select
        money.customer_key,
        -- an amount too large for an exact sum stays as it is: the sums over customers become NULL
        coalesce({{ exact_sum('money.revenue') }}, sum(money.revenue)) as realised_ltv,
        coalesce({{ exact_sum('money.mrr_change') }}, sum(money.mrr_change)) as mrr
    from money
    cross join {{ source('raw', 'workspace') }} as workspace
    where money.moved_at < workspace.as_of_at
    group by money.customer_key
)

select * from summed
