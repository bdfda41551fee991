with lifecycles as (
    select * from {{ ref('int_customer_lifecycles_dated') }}
    where has_mrr_information
),

customer_values as (
    select * from {{ ref('int_customer_values_summed') }}
),

workspace as (
    select as_of_at from {{ source('raw', 'workspace') }}
),

averaged as (
    select
        count(*) as customers,
        12 * {{ exact_sum('coalesce(customer_values.mrr, 0)') }} / nullif(count(*), 0) as revenue_per_customer
    from lifecycles
    cross join workspace
    left join customer_values on lifecycles.customer_key = customer_values.customer_key
    where lifecycles.churned_at is null or lifecycles.churned_at >= workspace.as_of_at
)

select * from averaged
