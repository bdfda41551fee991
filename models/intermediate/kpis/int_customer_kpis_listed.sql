{{ config(materialized='view') }}

{#- what is known of a customer at as_of; nothing of a kind that its source does not report -#}
{%- set known = {
    'tenure_days': 'cast(' ~ dbt.datediff(business_date('signed_up_at'), 'as_of_on', 'day') ~ ' as double)',
    'has_left': 'case when is_active then 0e0 when not is_active then 1e0 end',
    'mrr': 'case when has_mrr_information then coalesce(mrr, 0e0) end',
    'realised_ltv': 'case when has_revenue_information then coalesce(realised_ltv, 0e0) end',
    'revenue': 'case when has_revenue_information then coalesce(revenue, 0e0) end',
    'tickets': 'case when has_tickets then coalesce(tickets, 0e0) end',
    'usage': 'case when has_usage then coalesce(quantity_used, 0e0) end',
} -%}

with happened as (
    select
        happenings.customer_key,
        {{ exact_sum("case when happenings.kpi = 'revenue' then happenings.amount end") }} as revenue,
        {{ exact_sum("case when happenings.kpi = 'tickets' then happenings.amount end") }} as tickets,
        {{ exact_sum("case when happenings.kpi = 'usage' then happenings.amount end") }} as quantity_used
    from {{ ref('int_happenings_listed') }} as happenings
    cross join {{ source('raw', 'workspace') }} as workspace
    where happenings.happened_on > {{ days_after('workspace.as_of_on', '-cast(' ~ assumption('correlated_days') ~ ' as int)') }}
    group by happenings.customer_key
),

customers as (
    select
        customers.customer_key,
        customers.signed_up_at,
        customers.is_active,
        sources.has_mrr_information,
        sources.has_revenue_information,
        sources.has_tickets,
        sources.has_usage,
        customer_values.mrr,
        customer_values.realised_ltv,
        happened.revenue,
        happened.tickets,
        happened.quantity_used,
        workspace.as_of_on
    from {{ ref('dim_customers') }} as customers
    cross join {{ source('raw', 'workspace') }} as workspace
    left join {{ ref('int_customer_sources_described') }} as sources on customers.source = sources.customer_source
    left join {{ ref('int_customer_values_summed') }} as customer_values on customers.customer_key = customer_values.customer_key
    left join happened on customers.customer_key = happened.customer_key
)

{%- for kpi, known_value in known.items() %}

select
    customer_key,
    '{{ kpi }}' as kpi,
    {{ known_value }} as y
from customers
{%- if not loop.last %}

union all
{%- endif %}
{%- endfor %}
