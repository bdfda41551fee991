-- An event enters the sums on the first feature day that is not before it, and leaves a window of 90
-- or 365 days on a later one. The changes of a customer from one feature day to the next are added up,
-- and running sums of the changes are the figures: no event is counted again for every day.
with days as (
    select
        as_of_on,
        cast(row_number() over (order by as_of_on nulls last) as int) as place
    from {{ ref('int_feature_days_listed') }}
),

events as (
    select * from {{ ref('int_feature_events_dated') }}
),

-- the feature days on which an event counts, and in which windows
counting as (
    select
        event_days.happened_on,
        days.place,
        case when event_days.happened_on > {{ days_after('days.as_of_on', -90) }} then 1 else 0 end as is_90d,
        case when event_days.happened_on > {{ days_after('days.as_of_on', -365) }} then 1 else 0 end as is_365d
    from (select distinct happened_on from events) as event_days
    inner join days on event_days.happened_on <= days.as_of_on
),

-- 1 where an event enters, -1 where it leaves
moves as (
    select
        happened_on,
        place,
        case when lag(place) over in_order is null then 1 else 0 end as move,
        is_90d - coalesce(lag(is_90d) over in_order, 0) as move_90d,
        is_365d - coalesce(lag(is_365d) over in_order, 0) as move_365d
    from counting
    window in_order as (partition by happened_on order by place nulls last)
),

-- in decimals: adding and then subtracting a double leaves a residue
changes as (
    select
        events.customer,
        moves.place,
        min(events.turn) as turn,
        cast(sum(case when events.turn is not null then moves.move_90d end) as int) as responses_90d,
        cast(sum(case when events.turn is not null then moves.move_365d end) as int) as responses_365d,
        sum({{ exact_number('events.revenue * moves.move') }}) as revenue,
        sum({{ exact_number('events.revenue * moves.move_365d') }}) as revenue_365d,
        cast(sum(events.ticket * moves.move_90d) as int) as tickets_90d,
        cast(sum(events.ticket * moves.move_365d) as int) as tickets_365d,
        sum({{ exact_number('events.quantity * moves.move_90d') }}) as usage_90d
    from events
    inner join moves on events.happened_on = moves.happened_on
    where moves.move <> 0 or moves.move_90d <> 0 or moves.move_365d <> 0
    group by events.customer, moves.place
),

-- from this day on a sum would be wrong, and is NULL
too_large as (
    select
        customer,
        min(case when revenue is not null and {{ exact_number('revenue') }} is null then happened_on end) as revenue_since,
        min(case when quantity is not null and {{ exact_number('quantity') }} is null then happened_on end) as quantity_since
    from events
    where
        (revenue is not null and {{ exact_number('revenue') }} is null)
        or (quantity is not null and {{ exact_number('quantity') }} is null)
    group by customer
),

running as (
    select
        customers.customer,
        customers.since_on,
        days.as_of_on,
        min(changes.turn) over so_far as turn,
        cast(sum(changes.responses_90d) over so_far as int) as responses_90d,
        cast(sum(changes.responses_365d) over so_far as int) as responses_365d,
        cast(sum(changes.revenue) over so_far as double) as revenue,
        cast(sum(changes.revenue_365d) over so_far as double) as revenue_365d,
        cast(sum(changes.tickets_90d) over so_far as int) as tickets_90d,
        cast(sum(changes.tickets_365d) over so_far as int) as tickets_365d,
        cast(sum(changes.usage_90d) over so_far as double) as usage_90d
    from {{ ref('int_feature_customers_numbered') }} as customers
    cross join days
    left join changes on customers.customer = changes.customer and days.place = changes.place
    window so_far as (
        partition by customers.customer order by days.place nulls last
        rows between unbounded preceding and current row
    )
),

final as (
    select
        running.customer,
        running.as_of_on,
        running.turn,
        coalesce(running.responses_90d, 0) as responses_90d,
        coalesce(running.responses_365d, 0) as responses_365d,
        case
            when too_large.revenue_since is null or too_large.revenue_since > running.as_of_on
                then coalesce(running.revenue, 0)
        end as revenue,
        case
            when too_large.revenue_since is null or too_large.revenue_since > running.as_of_on
                then coalesce(running.revenue_365d, 0)
        end as revenue_365d,
        coalesce(running.tickets_90d, 0) as tickets_90d,
        coalesce(running.tickets_365d, 0) as tickets_365d,
        case
            when too_large.quantity_since is null or too_large.quantity_since > running.as_of_on
                then coalesce(running.usage_90d, 0)
        end as usage_90d
    from running
    left join too_large on running.customer = too_large.customer
    where coalesce(running.since_on, running.as_of_on) <= running.as_of_on
)

select * from final
