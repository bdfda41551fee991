with lifecycles as (
    select * from {{ ref('int_customer_lifecycles_dated') }}
    where has_mrr_information
),

averaged as (
    select
        count(*) as customers,
        12 * {{ exact_sum('coalesce(customer_values.mrr, 0)') }} / nullif(count(*), 0) as revenue_per_customer
    from lifecycles
    cross join {{ source('raw', 'workspace') }} as workspace
    left join {{ ref('int_customer_values_summed') }} as customer_values on lifecycles.customer_key = customer_values.customer_key
    where
        (lifecycles.churned_at is null or lifecycles.churned_at >= workspace.as_of_at)
        and not coalesce(lifecycles.is_churned, false)
)

select * from averaged
