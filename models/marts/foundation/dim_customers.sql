{{ config(
    materialized='incremental',
    incremental_strategy='replace',
    contract={'enforced': false},
    meta={'changed': {'key': 'customer_key', 'model': 'int_customers_affected'}},
    post_hook="{{ describe_segments('now; NULL: unknown') }}",
) }}

with customers as (
    select * from {{ ref('int_customers_known') }}
    where {{ is_affected('customer_key', 'int_customers_affected') }}
),

history as (
    select * from {{ ref('int_customer_history_built') }}
    where valid_to is null
),

known as (
    select
        customers.customer_key,
        customers.customer_source as source,
        {{ public_text('customers.customer_id', 'customers.customer_key') }} as customer_id,
        customers.account_key,
        {{ segment_list('history.', to_mart=true) }}
        lifecycles.signed_up_at,
        lifecycles.churned_at,
        case
            when lifecycles.has_churn_information
                then lifecycles.churned_at is null or lifecycles.churned_at >= workspace.as_of_at
            else not lifecycles.is_churned
        end as is_active,
        false as is_inferred,
        lifecycles.has_churn_information
    from customers
    inner join {{ ref('int_customer_lifecycles_dated') }} as lifecycles on customers.customer_key = lifecycles.customer_key
    left join history on customers.customer_key = history.customer_key
    cross join {{ source('raw', 'workspace') }} as workspace
),

inferred as (
    select
        customer_key,
        customer_source as source,
        {{ public_text('customer_id', 'customer_key') }} as customer_id,
        account_key,
        {%- for published_name in segment_columns().values() %}
        cast(null as {{ dbt.type_string() }}) as {{ adapter.quote(published_name) }},
        {%- endfor %}
        cast(null as timestamp) as signed_up_at,
        cast(null as timestamp) as churned_at,
        cast(null as boolean) as is_active,
        true as is_inferred,
        false as has_churn_information
    from {{ ref('int_customers_inferred') }}
    where {{ is_affected('customer_key', 'int_customers_affected') }}
),

final as (
    select * from known
    union all
    select * from inferred
)

select * from final
