with customers as (
    select * from {{ ref('dim_customers') }}
),

lifecycles as (
    select * from {{ ref('int_customer_lifecycles_dated') }}
),

days as (
    select as_of_on from {{ ref('int_feature_days_listed') }}
),

workspace as (
    select * from {{ source('raw', 'workspace') }}
),

responses as (
    select
        responses.*,
        lead(responses.score) over (
            partition by responses.customer_key
            order by {{ latest_first('responses') }}
        ) as _previous_score
    from {{ ref('fct_nps_responses') }} as responses
    inner join workspace
        on responses.metric = workspace.headline_metric and responses.survey_type = workspace.headline_survey_type
    where responses.customer_key is not null
),

money as (
    select
        moved.customer_key,
        {{ business_date('moved.moved_at', 'workspace.timezone') }} as moved_on,
        moved.revenue
    from {{ ref('int_customer_money_moved') }} as moved
    cross join workspace
    where moved.revenue <> 0
),

tickets as (
    select
        tickets.customer_key,
        {{ business_date('tickets.opened_at', 'workspace.timezone') }} as opened_on
    from {{ ref('int_support_tickets_versioned') }} as tickets
    cross join workspace
    where tickets.row_status = 'accepted'
),

usage as (
    select
        customer_key,
        used_on,
        quantity
    from {{ ref('int_product_usage_versioned') }}
    where row_status = 'accepted'
),

delivered_entities as (
    select distinct
        customer_source,
        entity
    from {{ source('raw', 'mapped_columns') }}
),

answered as (
    select
        days.as_of_on,
        responses.*,
        row_number() over (
            partition by days.as_of_on, responses.customer_key
            order by {{ latest_first('responses') }}
        ) as _place
    from responses
    inner join days on responses.responded_on <= days.as_of_on
),

answer_features as (
    select
        customer_key,
        as_of_on,
        max(case when _place = 1 then score end) as last_score,
        max(case when _place = 1 then nps_class end) as last_class,
        max(responded_on) as last_responded_on,
        sum(case when responded_on > {{ days_after('as_of_on', -90) }} then 1 else 0 end) as responses_90d,
        sum(case when responded_on > {{ days_after('as_of_on', -365) }} then 1 else 0 end) as responses_365d,
        avg(contribution) as mean_contribution,
        max(case when _place = 1 then score - _previous_score end) as score_trend
    from answered
    group by customer_key, as_of_on
),

money_features as (
    select
        money.customer_key,
        days.as_of_on,
        round(sum(money.revenue), 6) as realised_ltv,
        round(sum(case when money.moved_on > {{ days_after('days.as_of_on', -365) }} then money.revenue else 0 end), 6) as revenue_365d
    from money
    inner join days on money.moved_on <= days.as_of_on
    group by money.customer_key, days.as_of_on
),

ticket_features as (
    select
        tickets.customer_key,
        days.as_of_on,
        sum(case when tickets.opened_on > {{ days_after('days.as_of_on', -90) }} then 1 else 0 end) as tickets_90d,
        count(*) as tickets_365d
    from tickets
    inner join days
        on tickets.opened_on <= days.as_of_on and tickets.opened_on > {{ days_after('days.as_of_on', -365) }}
    group by tickets.customer_key, days.as_of_on
),

usage_features as (
    select
        usage.customer_key,
        days.as_of_on,
        sum(usage.quantity) as usage_90d
    from usage
    inner join days
        on usage.used_on <= days.as_of_on and usage.used_on > {{ days_after('days.as_of_on', -90) }}
    group by usage.customer_key, days.as_of_on
),

-- a customer is there from signing up, or where that is unknown from the first answer
first_answers as (
    select
        customer_key,
        min(responded_on) as first_responded_on
    from {{ ref('fct_nps_responses') }}
    where customer_key is not null
    group by customer_key
),

present as (
    select
        customers.customer_key,
        customers.source,
        customers.has_churn_information,
        days.as_of_on,
        {{ business_date('customers.signed_up_at', 'workspace.timezone') }} as signed_up_on,
        {{ business_date('customers.churned_at', 'workspace.timezone') }} as churned_on
    from customers
    cross join days
    cross join workspace
    left join first_answers on customers.customer_key = first_answers.customer_key
    where
        coalesce({{ business_date('customers.signed_up_at', 'workspace.timezone') }}, first_answers.first_responded_on, days.as_of_on) <= days.as_of_on
),

final as (
    select
        present.customer_key,
        present.as_of_on,
        case
            when present.has_churn_information
                then present.churned_on is null or present.churned_on > present.as_of_on
        end as is_active,
        cast({{ dbt.datediff('present.signed_up_on', 'present.as_of_on', 'day') }} as int) as tenure_days,
        answer_features.last_score,
        answer_features.last_class,
        cast({{ dbt.datediff('answer_features.last_responded_on', 'present.as_of_on', 'day') }} as int) as days_since_last_response,
        cast(coalesce(answer_features.responses_90d, 0) as bigint) as responses_90d,
        cast(coalesce(answer_features.responses_365d, 0) as bigint) as responses_365d,
        answer_features.mean_contribution,
        answer_features.score_trend,
        case when lifecycles.has_revenue_information then coalesce(money_features.realised_ltv, 0) end as realised_ltv,
        case when lifecycles.has_revenue_information then coalesce(money_features.revenue_365d, 0) end as revenue_365d,
        case when has_tickets.entity is not null then cast(coalesce(ticket_features.tickets_90d, 0) as bigint) end as tickets_90d,
        case when has_tickets.entity is not null then cast(coalesce(ticket_features.tickets_365d, 0) as bigint) end as tickets_365d,
        case when has_usage.entity is not null then coalesce(usage_features.usage_90d, 0) end as usage_90d
    from present
    left join lifecycles on present.customer_key = lifecycles.customer_key
    left join delivered_entities as has_tickets
        on present.source = has_tickets.customer_source and has_tickets.entity = 'support_tickets'
    left join delivered_entities as has_usage
        on present.source = has_usage.customer_source and has_usage.entity = 'product_usage'
    left join answer_features
        on present.customer_key = answer_features.customer_key and present.as_of_on = answer_features.as_of_on
    left join money_features
        on present.customer_key = money_features.customer_key and present.as_of_on = money_features.as_of_on
    left join ticket_features
        on present.customer_key = ticket_features.customer_key and present.as_of_on = ticket_features.as_of_on
    left join usage_features
        on present.customer_key = usage_features.customer_key and present.as_of_on = usage_features.as_of_on
)

select * from final
