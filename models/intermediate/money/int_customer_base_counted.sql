-- Cheaper than joining customers and days: the running sum of a day's arrivals and departures is its base.
with changes as (
    select * from {{ ref('int_customer_moves_counted') }}
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
            order by days.as_of_on asc nulls last
            rows between unbounded preceding and current row
        ) as bigint) as customers
    from {{ ref('int_days_listed') }} as days
    cross join cells
    left join changes
        on
            days.as_of_on = changes.moved_on
            and cells.dimension = changes.dimension
            and cells.segment = changes.segment
)

select * from counted
where customers > 0
