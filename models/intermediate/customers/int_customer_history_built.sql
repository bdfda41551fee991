{{ config(
    materialized='incremental',
    incremental_strategy='replace',
    meta={'changed': {'key': 'customer_key', 'model': 'int_customers_changed'}},
) }}
{%- set segments = segment_columns() -%}

-- two sources may describe one customer at one instant: a value that either of them gives counts
with snapshots as (
    select
        customer_key,
        snapshot_at
        {%- for segment in segments %},
        max(nullif({{ json_member('attributes', segment.removeprefix('seg_')) }}, '')) as {{ segment }}
        {%- endfor %}
    from {{ ref('int_customers_versioned') }}
    where
        row_status = 'accepted'
        and {{ is_affected('customer_key', 'int_customers_changed') }}
    group by customer_key, snapshot_at
),

compared as (
    select
        snapshots.*,
        lag(snapshots.snapshot_at) over in_order is null
        {%- for segment in segments %}
        or snapshots.{{ segment }} is distinct from lag(snapshots.{{ segment }}) over in_order
        {%- endfor %} as is_change
    from snapshots
    inner join {{ ref('int_customers_known') }} as known on snapshots.customer_key = known.customer_key
    window in_order as (partition by snapshots.customer_key order by snapshots.snapshot_at nulls last)
),

-- the first snapshot is valid from the beginning
built as (
    select
        customer_key,
        case
            when lag(snapshot_at) over in_order is null then cast('1900-01-01' as timestamp)
            else snapshot_at
        end as valid_from,
        lead(snapshot_at) over in_order as valid_to
        {%- for segment in segments %},
        {{ segment }}
        {%- endfor %}
    from compared
    where is_change
    window in_order as (partition by customer_key order by snapshot_at nulls last)
)

select * from built
