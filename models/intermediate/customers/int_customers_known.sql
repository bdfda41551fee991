{{ config(
    materialized='incremental',
    incremental_strategy='replace',
    meta={'changed': {'key': 'customer_key', 'model': 'int_customers_changed'}},
) }}

with newest as (
    select
        *,
        row_number() over (
            partition by customer_key
            order by snapshot_at desc nulls last, source asc nulls last, row_hash asc nulls last
        ) as age
    from {{ ref('int_customers_versioned') }}
    where
        row_status in ('accepted', 'deleted')
        and {{ is_affected('customer_key', 'int_customers_changed') }}
)

select
    customer_key,
    customer_source,
    customer_id,
    email_key,
    account_key,
    attributes,
    signed_up_at,
    churned_at,
    source,
    file_sha256,
    row_number
from newest
where age = 1 and row_status = 'accepted'
