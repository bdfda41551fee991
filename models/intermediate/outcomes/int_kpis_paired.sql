{{ config(materialized='view') }}

{%- set features = ['tenure_days', 'revenue_365d', 'realised_ltv', 'tickets_365d', 'usage_90d'] -%}
{%- set month = 'month' -%}

with workspace as (
    select * from {{ source('raw', 'workspace') }}
),

-- --- customers: what each said last, beside what is known of it at as_of ---
latest as (
    select
        voice_key,
        metric,
        survey_type,
        score
    from {{ ref('int_answers_followed') }}
    where next_on is null
),

customer_kpis as (
    {%- for feature in features %}
    select
        features.customer_key,
        '{{ feature }}' as kpi,
        cast(features.{{ feature }} as double) as y
    from {{ ref('customer_nps_features') }} as features
    inner join workspace on features.as_of_on = workspace.as_of_on

    union all
    {% endfor %}
    select
        features.customer_key,
        'has_left' as kpi,
        case when features.is_active then 0e0 when not features.is_active then 1e0 end as y
    from {{ ref('customer_nps_features') }} as features
    inner join workspace on features.as_of_on = workspace.as_of_on

    union all

    select
        lifecycles.customer_key,
        'mrr' as kpi,
        coalesce(customer_values.mrr, 0e0) as y
    from {{ ref('int_customer_lifecycles_dated') }} as lifecycles
    left join {{ ref('int_customer_values_summed') }} as customer_values on lifecycles.customer_key = customer_values.customer_key
    where lifecycles.has_mrr_information
),

-- --- months: the score, beside what happened in them ---
months as (
    select
        scored.metric,
        scored.survey_type,
        scored.period_start,
        scored.nps
    from {{ ref('int_periods_scored') }} as scored
    cross join workspace
    where
        scored.time_grain = '{{ month }}'
        and scored.basis = 'customers'
        and scored.dimension = 'all'
        and scored.period_end <= workspace.as_of_on
),

happened as (
    select
        'revenue' as kpi,
        {{ period_start(month, business_date('moved.moved_at')) }} as period_start,
        {{ exact_sum('moved.revenue') }} as y
    from {{ ref('int_customer_money_moved') }} as moved
    where moved.revenue <> 0
    group by {{ period_start(month, business_date('moved.moved_at')) }}

    union all

    select
        'tickets' as kpi,
        {{ period_start(month, business_date('tickets.opened_at')) }} as period_start,
        count(*) as y
    from {{ ref('int_support_tickets_versioned') }} as tickets
    where tickets.row_status = 'accepted'
    group by {{ period_start(month, business_date('tickets.opened_at')) }}

    union all

    select
        'usage' as kpi,
        {{ period_start(month, 'usage.used_on') }} as period_start,
        {{ exact_sum('usage.quantity') }} as y
    from {{ ref('int_product_usage_versioned') }} as usage
    where usage.row_status = 'accepted'
    group by {{ period_start(month, 'usage.used_on') }}

    union all

    select
        'churned_customers' as kpi,
        {{ period_start(month, business_date('customers.churned_at')) }} as period_start,
        count(*) as y
    from {{ ref('dim_customers') }} as customers
    where customers.churned_at is not null
    group by {{ period_start(month, business_date('customers.churned_at')) }}
),

-- a month between the first and the last in which it happened had none of it
spans as (
    select
        kpi,
        min(period_start) as first_start,
        max(period_start) as last_start
    from happened
    group by kpi
)

select
    'customer' as level,
    latest.metric,
    latest.survey_type,
    kpis.kpi,
    cast(null as {{ dbt.type_string() }}) as kpi_survey_type,
    cast(latest.score as double) as x,
    kpis.y
from latest
inner join customer_kpis as kpis on latest.voice_key = kpis.customer_key

union all

select
    'customer' as level,
    latest.metric,
    latest.survey_type,
    other.metric as kpi,
    other.survey_type as kpi_survey_type,
    cast(latest.score as double) as x,
    cast(other.score as double) as y
from latest
inner join latest as other
    on
        latest.voice_key = other.voice_key
        and (latest.metric <> other.metric or latest.survey_type <> other.survey_type)

union all

select
    'month' as level,
    months.metric,
    months.survey_type,
    spans.kpi,
    cast(null as {{ dbt.type_string() }}) as kpi_survey_type,
    months.nps as x,
    coalesce(happened.y, 0) as y
from months
inner join spans on months.period_start between spans.first_start and spans.last_start
left join happened on spans.kpi = happened.kpi and months.period_start = happened.period_start

union all

select
    'month' as level,
    months.metric,
    months.survey_type,
    other.metric as kpi,
    other.survey_type as kpi_survey_type,
    months.nps as x,
    other.nps as y
from months
inner join months as other
    on
        months.period_start = other.period_start
        and (months.metric <> other.metric or months.survey_type <> other.survey_type)
