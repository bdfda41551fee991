{%- set attributes = first_column('select attribute from ' ~ source('raw', 'split_attributes') ~ ' order by attribute') -%}

with snapshots as (
    {%- for attribute in attributes %}
    select
        customer_key,
        snapshot_at,
        '{{ attribute }}' as dimension,
        -- two sources may describe one customer at one instant: what either of them gives counts
        max(nullif({{ json_member('attributes', attribute) }}, '')) as listed
    from {{ ref('int_customers_versioned') }}
    where row_status = 'accepted'
    group by customer_key, snapshot_at

    union all
    {%- endfor %}
    select
        customer_key,
        snapshot_at,
        cast(null as {{ dbt.type_string() }}) as dimension,
        cast(null as {{ dbt.type_string() }}) as listed
    from {{ ref('int_customers_versioned') }}
    where false
)

-- the first snapshot is valid from the beginning, the last one for good
select
    customer_key,
    dimension,
    case when lag(snapshot_at) over in_order is null then cast('1900-01-01' as timestamp) else snapshot_at end as valid_from,
    coalesce(lead(snapshot_at) over in_order, cast('9999-12-31' as timestamp)) as valid_to,
    listed
from snapshots
window in_order as (partition by customer_key, dimension order by snapshot_at nulls last)
