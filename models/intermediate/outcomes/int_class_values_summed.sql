{%- set segments = segment_columns() -%}

with customers as (
    select * from {{ ref('int_customers_placed') }}
),

customer_values as (
    select * from {{ ref('int_customer_values_summed') }}
),

lifecycles as (
    select * from {{ ref('int_customer_lifecycles_dated') }}
),

workspace as (
    select as_of_at from {{ source('raw', 'workspace') }}
),

valued as (
    select
        customers.metric,
        customers.survey_type,
        customers.nps_class,
        {%- for segment in segments %}
        coalesce(customers.{{ segment }}, '(unknown)') as {{ segment }},
        {%- endfor %}
        case when lifecycles.has_mrr_information then coalesce(customer_values.mrr, 0) end as mrr,
        case when lifecycles.has_revenue_information then coalesce(customer_values.realised_ltv, 0) end as realised_ltv,
        lifecycles.churned_at is null or lifecycles.churned_at >= workspace.as_of_at as is_staying
    from customers
    cross join workspace
    left join customer_values on customers.customer_key = customer_values.customer_key
    left join lifecycles on customers.customer_key = lifecycles.customer_key
),

summed as (
    select
        valued.metric,
        valued.survey_type,
        valued.nps_class,
        {{ grouped_dimension(segments) }} as dimension,
        {{ grouped_dimension(segments, value=true) }} as segment,
        count(*) as customers,
        {{ exact_sum('valued.mrr') }} as active_mrr,
        {{ exact_sum('valued.realised_ltv') }} as realised_ltv,
        cast(sum(case when valued.is_staying then 1 else 0 end) as bigint) as staying_customers,
        count(case when valued.is_staying then valued.mrr end) as priced_customers,
        {{ exact_sum('case when valued.is_staying then valued.mrr end') }} as staying_mrr
    from valued
    group by grouping sets (
        (valued.metric, valued.survey_type, valued.nps_class)
        {%- for segment in segments %},
        (valued.metric, valued.survey_type, valued.nps_class, {{ segment }})
        {%- endfor %}
    )
)

select * from summed
