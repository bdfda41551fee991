with workspace as (
    select timezone from {{ source('raw', 'workspace') }}
),

delivered_entities as (
    select distinct
        customer_source,
        entity
    from {{ source('raw', 'mapped_columns') }}
),

known as (
    select
        customers.customer_key,
        customers.customer_source,
        lifecycles.signed_up_at,
        lifecycles.churned_at,
        lifecycles.has_churn_information,
        lifecycles.has_revenue_information
    from {{ ref('int_customers_known') }} as customers
    inner join {{ ref('int_customer_lifecycles_dated') }} as lifecycles
        on customers.customer_key = lifecycles.customer_key

    union all

    select
        customer_key,
        customer_source,
        cast(null as timestamp) as signed_up_at,
        cast(null as timestamp) as churned_at,
        false as has_churn_information,
        false as has_revenue_information
    from {{ ref('int_customers_inferred') }}
),

first_answers as (
    select
        customer_key,
        min(responded_on) as first_responded_on
    from {{ ref('fct_nps_responses') }}
    where
        customer_key is not null
        and {{ is_affected('customer_key', 'int_feature_customers_affected') }}
    group by customer_key
),

customers as (
    select
        known.customer_key,
        known.has_churn_information,
        known.has_revenue_information,
        has_tickets.entity is not null as has_tickets,
        has_usage.entity is not null as has_usage,
        {{ business_date('known.signed_up_at', 'workspace.timezone') }} as signed_up_on,
        {{ business_date('known.churned_at', 'workspace.timezone') }} as churned_on
    from known
    cross join workspace
    left join delivered_entities as has_tickets
        on known.customer_source = has_tickets.customer_source and has_tickets.entity = 'support_tickets'
    left join delivered_entities as has_usage
        on known.customer_source = has_usage.customer_source and has_usage.entity = 'product_usage'
    where {{ is_affected('known.customer_key', 'int_feature_customers_affected') }}
),

-- any number will do: an order would sort everybody for nothing
final as (
    select
        cast(row_number() over () as int) as customer,
        customers.*,
        -- a customer is there from signing up, or where that is unknown from the first answer
        coalesce(customers.signed_up_on, first_answers.first_responded_on) as since_on
    from customers
    left join first_answers on customers.customer_key = first_answers.customer_key
)

select * from final
