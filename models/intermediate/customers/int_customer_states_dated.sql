{{ config(
    materialized='incremental',
    incremental_strategy='replace',
    meta={'changed': {'key': 'customer_key', 'model': 'int_customers_changed'}},
) }}

-- two sources may describe one customer at one instant: who has left in either has left
with states as (
    select
        snapshots.customer_key,
        snapshots.snapshot_at,
        max(case when snapshots.is_churned then 1 else 0 end) = 1 as is_churned
    from {{ ref('int_customers_versioned') }} as snapshots
    where
        snapshots.row_status = 'accepted'
        and snapshots.is_churned is not null
        and {{ is_affected('snapshots.customer_key', 'int_customers_changed') }}
    group by snapshots.customer_key, snapshots.snapshot_at
),

bounds as (
    select
        customer_key,
        max(snapshot_at) as latest_at,
        min(case when not is_churned then snapshot_at end) as active_from,
        max(case when not is_churned then snapshot_at end) as last_active_at
    from states
    group by customer_key
),

-- who was never seen active left before the first snapshot: nobody knows when
dated as (
    select
        bounds.customer_key,
        bounds.active_from,
        coalesce(bounds.last_active_at < bounds.latest_at, true) as is_churned,
        min(case when states.snapshot_at > bounds.last_active_at then states.snapshot_at end) as churned_at
    from bounds
    inner join states on bounds.customer_key = states.customer_key
    group by bounds.customer_key, bounds.active_from, bounds.last_active_at, bounds.latest_at
)

select * from dated
