{%- set segments = segment_columns() -%}
{%- set cell = ['class_of', 'metric', 'survey_type', 'nps_class'] -%}

-- the silence of who was asked lately is none yet
with classified as (
    select
        'latest' as class_of,
        customers.metric,
        customers.survey_type,
        customers.nps_class,
        {{ segment_list('customers.') }}
        customers.customer_key
    from {{ ref('int_customers_classified') }} as customers
    cross join {{ source('raw', 'workspace') }} as workspace
    where customers.landmark_on is null or customers.landmark_on <= workspace.as_of_on

    union all

    select
        'first' as class_of,
        metric,
        survey_type,
        nps_class,
        {{ segment_list() }}
        customer_key
    from {{ ref('int_first_anchors_chosen') }}
    where anchored_on <= (select as_of_on from {{ source('raw', 'workspace') }})
),

valued as (
    select
        {%- for column in cell %}
        classified.{{ column }},
        {%- endfor %}
        {%- for segment in segments %}
        coalesce(classified.{{ segment }}, '(unknown)') as {{ segment }},
        {%- endfor %}
        case when lifecycles.has_mrr_information then coalesce(customer_values.mrr, 0) end as mrr,
        case when lifecycles.has_revenue_information then coalesce(customer_values.realised_ltv, 0) end as realised_ltv,
        (lifecycles.churned_at is null or lifecycles.churned_at >= workspace.as_of_at)
        and not coalesce(lifecycles.is_churned, false) as is_staying
    from classified
    cross join {{ source('raw', 'workspace') }} as workspace
    left join {{ ref('int_customer_values_summed') }} as customer_values on classified.customer_key = customer_values.customer_key
    left join {{ ref('int_customer_lifecycles_dated') }} as lifecycles on classified.customer_key = lifecycles.customer_key
),

-- staying or not is one more group, so that no amount is converted or summed twice
grouped as (
    select
        {{ cell | join(', ') }},
        {{ grouped_dimension(segments) }} as dimension,
        {{ grouped_dimension(segments, value=true) }} as segment,
        is_staying,
        count(*) as customers,
        count(valued.mrr) as mrr_known,
        count({{ exact_number('valued.mrr') }}) as mrr_exact,
        sum({{ exact_number('valued.mrr') }}) as mrr,
        count(valued.realised_ltv) as realised_ltv_known,
        count({{ exact_number('valued.realised_ltv') }}) as realised_ltv_exact,
        sum({{ exact_number('valued.realised_ltv') }}) as realised_ltv
    from valued
    group by grouping sets (
        ({{ cell | join(', ') }}, is_staying)
        {%- for segment in segments %},
        ({{ cell | join(', ') }}, is_staying, {{ segment }})
        {%- endfor %}
    )
),

-- no sum where an amount is too large to be exact; who has left pays nothing, whatever subscription is open
summed as (
    select
        {{ cell | join(', ') }},
        dimension,
        segment,
        cast(sum(customers) as bigint) as customers,
        case
            when sum(mrr_known) > 0 and sum(case when is_staying then mrr_known - mrr_exact else 0 end) = 0
                then coalesce(cast(sum(case when is_staying then mrr end) as double), 0e0)
        end as active_mrr,
        case when sum(realised_ltv_known) = sum(realised_ltv_exact) then cast(sum(realised_ltv) as double) end as realised_ltv,
        cast(sum(case when is_staying then customers else 0 end) as bigint) as staying_customers,
        cast(sum(case when is_staying then mrr_known else 0 end) as bigint) as priced_customers
    from grouped
    group by {{ cell | join(', ') }}, dimension, segment
)

select * from summed
