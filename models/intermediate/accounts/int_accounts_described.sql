with delivered as (
    select
        account_key,
        min(customer_source) as source,
        min(account_id) as account_id,
        max(tier) as tier,
        max(arr) as arr
    from {{ ref('int_accounts_versioned') }}
    where row_status = 'accepted'
    group by account_key
),

known as (
    select account_key from delivered
    union
    select account_key from {{ ref('int_account_customers_summed') }}
    union
    select account_key from {{ ref('int_account_answers_followed') }}
)

select
    known.account_key,
    delivered.source,
    delivered.account_id,
    delivered.tier,
    round(coalesce(delivered.arr, 12 * summed.mrr), 6) as arr,
    summed.renews_on,
    coalesce(summed.customers, 0) as customers,
    summed.is_active,
    coalesce(summed.since_on, cast('1900-01-01' as date)) as since_on,
    coalesce(summed.left_on, cast('9999-12-31' as date)) as left_on
from known
left join delivered on known.account_key = delivered.account_key
left join {{ ref('int_account_customers_summed') }} as summed on known.account_key = summed.account_key
