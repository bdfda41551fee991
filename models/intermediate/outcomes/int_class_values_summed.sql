{%- set segments = segment_columns() -%}

with valued as (
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
    from {{ ref('int_customers_classified') }} as customers
    cross join {{ source('raw', 'workspace') }} as workspace
    left join {{ ref('int_customer_values_summed') }} as customer_values on customers.customer_key = customer_values.customer_key
    left join {{ ref('int_customer_lifecycles_dated') }} as lifecycles on customers.customer_key = lifecycles.customer_key
),

-- staying or not is one more group, so that no amount is converted or summed twice
grouped as (
    select
        valued.metric,
        valued.survey_type,
        valued.nps_class,
        {{ grouped_dimension(segments) }} as dimension,
        {{ grouped_dimension(segments, value=true) }} as segment,
        valued.is_staying,
        count(*) as customers,
        count(valued.mrr) as mrr_known,
        count({{ exact_number('valued.mrr') }}) as mrr_exact,
        sum({{ exact_number('valued.mrr') }}) as mrr,
        count(valued.realised_ltv) as realised_ltv_known,
        count({{ exact_number('valued.realised_ltv') }}) as realised_ltv_exact,
        sum({{ exact_number('valued.realised_ltv') }}) as realised_ltv
    from valued
    group by grouping sets (
        (valued.metric, valued.survey_type, valued.nps_class, valued.is_staying)
        {%- for segment in segments %},
        (valued.metric, valued.survey_type, valued.nps_class, valued.is_staying, {{ segment }})
        {%- endfor %}
    )
),

-- no sum where an amount is too large to be exact
summed as (
    select
        metric,
        survey_type,
        nps_class,
        dimension,
        segment,
        cast(sum(customers) as bigint) as customers,
        case when sum(mrr_known) = sum(mrr_exact) then cast(sum(mrr) as double) end as active_mrr,
        case when sum(realised_ltv_known) = sum(realised_ltv_exact) then cast(sum(realised_ltv) as double) end as realised_ltv,
        cast(sum(case when is_staying then customers else 0 end) as bigint) as staying_customers,
        cast(sum(case when is_staying then mrr_known else 0 end) as bigint) as priced_customers,
        case
            when sum(case when is_staying then mrr_known - mrr_exact else 0 end) = 0
                then cast(sum(case when is_staying then mrr end) as double)
        end as staying_mrr
    from grouped
    group by metric, survey_type, nps_class, dimension, segment
)

select * from summed
