{{ config(
    materialized='incremental',
    incremental_strategy='replace',
    meta={'touched': "customer_key in (select customer_key from intermediate.int_feature_customers_touched) or as_of_on in (select as_of_on from intermediate.int_feature_days_touched)"},
) }}

-- Answers, money, tickets and usage are events of a day. An event enters on the first feature day
-- that is not before it, and leaves a window of 90 or 365 days on a later one. What changes for a
-- customer from one feature day to the next is summed up, and running sums of that are the figures:
-- no event is counted again for every day.
with workspace as (
    select * from {{ source('raw', 'workspace') }}
),

delivered_entities as (
    select distinct
        customer_source,
        entity
    from {{ source('raw', 'mapped_columns') }}
),

-- a number for each customer: keys are long, and stay out of sums and sorts
customers as (
    select
        cast(row_number() over (order by customers.customer_key) as int) as customer,
        customers.customer_key,
        customers.has_churn_information,
        coalesce(lifecycles.has_revenue_information, false) as has_revenue_information,
        has_tickets.entity is not null as has_tickets,
        has_usage.entity is not null as has_usage,
        {{ business_date('customers.signed_up_at', 'workspace.timezone') }} as signed_up_on,
        {{ business_date('customers.churned_at', 'workspace.timezone') }} as churned_on
    from {{ ref('dim_customers') }} as customers
    cross join workspace
    left join {{ ref('int_customer_lifecycles_dated') }} as lifecycles
        on customers.customer_key = lifecycles.customer_key
    left join delivered_entities as has_tickets
        on customers.source = has_tickets.customer_source and has_tickets.entity = 'support_tickets'
    left join delivered_entities as has_usage
        on customers.source = has_usage.customer_source and has_usage.entity = 'product_usage'
    where true {{ and_touched('customers.customer_key', 'int_feature_customers_touched') }}
),

days as (
    select
        as_of_on,
        cast(row_number() over (order by as_of_on) as int) as place
    from {{ ref('int_feature_days_listed') }}
),

responses as (
    select
        customers.customer,
        responses.metric,
        responses.survey_type,
        responses.response_id,
        responses.source,
        responses.responded_at,
        responses.responded_on,
        responses.version_at,
        responses.score,
        responses.nps_class,
        responses.contribution
    from {{ ref('fct_nps_responses') }} as responses
    inner join customers on responses.customer_key = customers.customer_key
),

-- a customer is there from signing up, or where that is unknown from the first answer
first_answers as (
    select
        customer,
        min(responded_on) as first_responded_on
    from responses
    group by customer
),

-- turn: as many answers of the customer as there are from the latest one back to this one
backwards as (
    select
        responses.customer,
        responses.responded_on,
        responses.score,
        responses.nps_class,
        lead(responses.score) over latest_first as previous_score,
        avg(responses.contribution) over (
            partition by responses.customer
            order by {{ latest_first('responses') }}
            rows between current row and unbounded following
        ) as mean_contribution,
        cast(row_number() over latest_first as int) as turn
    from responses
    inner join workspace
        on responses.metric = workspace.headline_metric and responses.survey_type = workspace.headline_survey_type
    window latest_first as (
        partition by responses.customer
        order by {{ latest_first('responses') }}
    )
),

events as (
    select
        customer,
        responded_on as happened_on,
        turn,
        cast(null as double) as revenue,
        cast(null as int) as ticket,
        cast(null as double) as quantity
    from backwards

    union all

    select
        customers.customer,
        {{ business_date('moved.moved_at', 'workspace.timezone') }} as happened_on,
        cast(null as int) as turn,
        moved.revenue,
        cast(null as int) as ticket,
        cast(null as double) as quantity
    from {{ ref('int_customer_money_moved') }} as moved
    inner join customers on moved.customer_key = customers.customer_key
    cross join workspace
    where moved.revenue <> 0

    union all

    select
        customers.customer,
        {{ business_date('tickets.opened_at', 'workspace.timezone') }} as happened_on,
        cast(null as int) as turn,
        cast(null as double) as revenue,
        1 as ticket,
        cast(null as double) as quantity
    from {{ ref('int_support_tickets_versioned') }} as tickets
    inner join customers on tickets.customer_key = customers.customer_key
    cross join workspace
    where tickets.row_status = 'accepted'

    union all

    select
        customers.customer,
        usage.used_on as happened_on,
        cast(null as int) as turn,
        cast(null as double) as revenue,
        cast(null as int) as ticket,
        usage.quantity
    from {{ ref('int_product_usage_versioned') }} as usage
    inner join customers on usage.customer_key = customers.customer_key
    where usage.row_status = 'accepted'
),

-- an event counts on every feature day from its own on, in a window only on some
counting as (
    select
        event_days.happened_on,
        days.place,
        case when event_days.happened_on > {{ days_after('days.as_of_on', -90) }} then 1 else 0 end as is_90d,
        case when event_days.happened_on > {{ days_after('days.as_of_on', -365) }} then 1 else 0 end as is_365d
    from (select distinct happened_on from events) as event_days
    inner join days on event_days.happened_on <= days.as_of_on
),

-- 1 where it enters, -1 where it leaves
moves as (
    select
        happened_on,
        place,
        case when lag(place) over in_order is null then 1 else 0 end as move,
        is_90d - coalesce(lag(is_90d) over in_order, 0) as move_90d,
        is_365d - coalesce(lag(is_365d) over in_order, 0) as move_365d
    from counting
    window in_order as (partition by happened_on order by place)
),

-- money in decimals: what enters and leaves a sum of doubles leaves dust behind
changes as (
    select
        events.customer,
        moves.place,
        min(events.turn) as turn,
        sum(case when events.turn is not null then moves.move_90d end) as responses_90d,
        sum(case when events.turn is not null then moves.move_365d end) as responses_365d,
        sum({{ exact_number('events.revenue * moves.move') }}) as revenue,
        sum({{ exact_number('events.revenue * moves.move_365d') }}) as revenue_365d,
        sum(events.ticket * moves.move_90d) as tickets_90d,
        sum(events.ticket * moves.move_365d) as tickets_365d,
        sum({{ exact_number('events.quantity * moves.move_90d') }}) as usage_90d
    from events
    inner join moves on events.happened_on = moves.happened_on
    where moves.move <> 0 or moves.move_90d <> 0 or moves.move_365d <> 0
    group by events.customer, moves.place
),

-- no figure rather than a wrong one
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
        days.place,
        min(changes.turn) over so_far as turn,
        sum(changes.responses_90d) over so_far as responses_90d,
        sum(changes.responses_365d) over so_far as responses_365d,
        sum(changes.revenue) over so_far as revenue,
        sum(changes.revenue_365d) over so_far as revenue_365d,
        sum(changes.tickets_90d) over so_far as tickets_90d,
        sum(changes.tickets_365d) over so_far as tickets_365d,
        sum(changes.usage_90d) over so_far as usage_90d
    from customers
    cross join days
    left join changes on customers.customer = changes.customer and days.place = changes.place
    window so_far as (
        partition by customers.customer order by days.place
        rows between unbounded preceding and current row
    )
),

final as (
    select
        customers.customer_key,
        days.as_of_on,
        case
            when customers.has_churn_information
                then customers.churned_on is null or customers.churned_on > days.as_of_on
        end as is_active,
        cast({{ dbt.datediff('customers.signed_up_on', 'days.as_of_on', 'day') }} as int) as tenure_days,
        latest.score as last_score,
        latest.nps_class as last_class,
        cast({{ dbt.datediff('latest.responded_on', 'days.as_of_on', 'day') }} as int) as days_since_last_response,
        cast(coalesce(running.responses_90d, 0) as bigint) as responses_90d,
        cast(coalesce(running.responses_365d, 0) as bigint) as responses_365d,
        latest.mean_contribution,
        latest.score - latest.previous_score as score_trend,
        case
            when customers.has_revenue_information and (too_large.revenue_since is null or too_large.revenue_since > days.as_of_on)
                then coalesce(round(cast(running.revenue as double), 6), 0)
        end as realised_ltv,
        case
            when customers.has_revenue_information and (too_large.revenue_since is null or too_large.revenue_since > days.as_of_on)
                then coalesce(round(cast(running.revenue_365d as double), 6), 0)
        end as revenue_365d,
        case when customers.has_tickets then cast(coalesce(running.tickets_90d, 0) as bigint) end as tickets_90d,
        case when customers.has_tickets then cast(coalesce(running.tickets_365d, 0) as bigint) end as tickets_365d,
        case
            when customers.has_usage and (too_large.quantity_since is null or too_large.quantity_since > days.as_of_on)
                then coalesce(cast(running.usage_90d as double), 0)
        end as usage_90d
    from running
    inner join customers on running.customer = customers.customer
    inner join days on running.place = days.place
    left join backwards as latest on running.customer = latest.customer and running.turn = latest.turn
    left join first_answers on running.customer = first_answers.customer
    left join too_large on running.customer = too_large.customer
    where coalesce(customers.signed_up_on, first_answers.first_responded_on, days.as_of_on) <= days.as_of_on
)

select * from final
{%- if is_batch() %}

union all

-- for whom nothing happened and nothing left a window, a further day is the last one once more
select
    before.customer_key,
    days.as_of_on,
    before.is_active,
    before.tenure_days + cast({{ dbt.datediff('before.as_of_on', 'days.as_of_on', 'day') }} as int) as tenure_days,
    before.last_score,
    before.last_class,
    before.days_since_last_response + cast({{ dbt.datediff('before.as_of_on', 'days.as_of_on', 'day') }} as int) as days_since_last_response,
    before.responses_90d,
    before.responses_365d,
    before.mean_contribution,
    before.score_trend,
    before.realised_ltv,
    before.revenue_365d,
    before.tickets_90d,
    before.tickets_365d,
    before.usage_90d
from {{ this }} as before
inner join {{ of_lake('last_build') }} as last_build on before.as_of_on = last_build.as_of_on
inner join days on last_build.as_of_on < days.as_of_on
where before.customer_key not in (select touched.customer_key from {{ ref('int_feature_customers_touched') }} as touched)
{%- endif %}
{%- if not execute %}{% do ref('int_feature_days_touched') %}{% endif %}
