{{ config(
    materialized='incremental',
    incremental_strategy='replace',
    meta={'changed': {'key': 'customer_key', 'model': 'int_customers_changed'}},
) }}

with versions as (
    select * from {{ ref('int_customers_versioned') }}
    where
        row_status in ('accepted', 'deleted')
        and {{ is_affected('customer_key', 'int_customers_changed') }}
),

latest as (
    select
        customer_key,
        max(snapshot_at) as snapshot_at
    from versions
    group by customer_key
),

-- snapshots of one time are ranked; ranking the older ones, too, would sort the attributes of all versions
newest as (
    select
        versions.*,
        row_number() over (
            partition by versions.customer_key
            order by versions.source asc nulls last, versions.row_hash asc nulls last
        ) as age
    from versions
    inner join latest
        on
            versions.customer_key = latest.customer_key
            and versions.snapshot_at is not distinct from latest.snapshot_at
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
