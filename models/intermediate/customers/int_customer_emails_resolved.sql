{{ config(
    materialized='incremental',
    incremental_strategy='replace',
    meta={'changed': {'key': 'email_key', 'model': 'int_addresses_affected'}},
) }}

with snapshots as (
    select * from {{ ref('int_customers_versioned') }}
    where
        row_status = 'accepted'
        and email_key is not null
        and {{ is_affected('email_key', 'int_addresses_affected') }}
),

held as (
    select distinct
        snapshots.email_key,
        snapshots.customer_key
    from snapshots
    inner join {{ ref('int_customers_known') }} as known on snapshots.customer_key = known.customer_key
),

-- an address that two customers ever held identifies neither
resolved as (
    select
        email_key,
        min(customer_key) as customer_key
    from held
    group by email_key
    having count(*) = 1
)

select * from resolved
