{%- set signed_up_on = business_date('customers.signed_up_at') -%}

with first_answers as (
    select
        customer_key,
        min(responded_on) as first_responded_on
    from {{ ref('fct_nps_responses') }}
    where
        customer_key is not null
        and {{ is_affected('customer_key', 'int_feature_customers_affected') }}
    group by customer_key
),

final as (
    select
        -- any number will do: an order would sort everybody for nothing
        cast(row_number() over () as int) as customer,
        customers.customer_key,
        customers.has_churn_information,
        coalesce(lifecycles.has_revenue_information, false) as has_revenue_information,
        coalesce(sources.has_tickets, false) as has_tickets,
        coalesce(sources.has_usage, false) as has_usage,
        {{ signed_up_on }} as signed_up_on,
        {{ business_date('customers.churned_at') }} as churned_on,
        -- whom only answers name is there from the first of them: of one whom the CRM knows an answer to come
        -- would decide about the days before it
        case when customers.is_inferred then first_answers.first_responded_on else {{ signed_up_on }} end as since_on
    from {{ ref('dim_customers') }} as customers
    left join {{ ref('int_customer_lifecycles_dated') }} as lifecycles on customers.customer_key = lifecycles.customer_key
    left join {{ ref('int_customer_sources_described') }} as sources on customers.source = sources.customer_source
    left join first_answers on customers.customer_key = first_answers.customer_key
    where {{ is_affected('customers.customer_key', 'int_feature_customers_affected') }}
)

select * from final
