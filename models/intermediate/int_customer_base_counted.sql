{%- set segments = segment_columns() -%}

-- By comings and goings, not by customers and days: a running sum of changes is the base of each day.
with days as (
    select as_of_on from {{ ref('int_days_listed') }}
),

bounds as (
    select
        min(as_of_on) as first_on,
        max(as_of_on) as last_on
    from days
),

customers as (
    select customer_key from {{ ref('int_customers_known') }}
),

lifecycles as (
    select * from {{ ref('int_customer_lifecycles_dated') }}
),

history as (
    select * from {{ ref('int_customer_history_built') }}
),

workspace as (
    select timezone from {{ source('raw', 'workspace') }}
),

dated as (
    select
        {{ segment_list('history.') }}
        bounds.first_on,
        bounds.last_on,
        {{ business_date('lifecycles.signed_up_at', 'workspace.timezone') }} as signed_up_on,
        {{ business_date('lifecycles.churned_at', 'workspace.timezone') }} as churned_on,
        {{ business_date('history.valid_from', 'workspace.timezone') }} as valid_from_on,
        {{ business_date('history.valid_to', 'workspace.timezone') }} as valid_to_on
    from customers
    cross join bounds
    cross join workspace
    left join lifecycles on customers.customer_key = lifecycles.customer_key
    left join history on customers.customer_key = history.customer_key
),

-- a stay in a segment: from the first day that ends in it to the first that doesn't, exclusive
stays as (
    select
        {{ segment_list() }}
        last_on,
        -- whoever was there before the first day is there on it
        greatest(first_on, coalesce(signed_up_on, first_on), coalesce(valid_from_on, first_on)) as starts_on,
        case
            when churned_on is null then valid_to_on
            when valid_to_on is null then churned_on
            else least(churned_on, valid_to_on)
        end as ends_on
    from dated
),

moves as (
    select
        {{ segment_list() }}
        starts_on as moved_on,
        1 as change
    from stays
    where starts_on <= last_on and (ends_on is null or starts_on < ends_on)

    union all

    select
        {{ segment_list() }}
        ends_on as moved_on,
        -1 as change
    from stays
    where ends_on <= last_on and starts_on < ends_on
),

changes as (
    {%- for segment in segments %}
    select
        '{{ segment }}' as dimension,
        coalesce({{ segment }}, '(unknown)') as segment,
        moved_on,
        sum(change) as change
    from moves
    group by coalesce({{ segment }}, '(unknown)'), moved_on
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- else %}
    -- a workspace without segments has nothing to weight by
    select
        cast(null as {{ dbt.type_string() }}) as dimension,
        cast(null as {{ dbt.type_string() }}) as segment,
        moved_on,
        change
    from moves
    where 1 = 0
    {%- endfor %}
),

cells as (
    select distinct
        dimension,
        segment
    from changes
),

counted as (
    select
        days.as_of_on,
        cells.dimension,
        cells.segment,
        cast(sum(coalesce(changes.change, 0)) over (
            partition by cells.dimension, cells.segment
            order by days.as_of_on
            rows between unbounded preceding and current row
        ) as bigint) as customers
    from days
    cross join cells
    left join changes
        on
            days.as_of_on = changes.moved_on
            and cells.dimension = changes.dimension
            and cells.segment = changes.segment
),

final as (
    select * from counted
    where customers > 0
)

select * from final
