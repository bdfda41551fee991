{{ config(materialized='view') }}

{%- set kinds = [
    ('revenue', 'int_customer_money_moved', business_date('moved_at'), 'revenue', 'revenue <> 0'),
    ('tickets', 'int_support_tickets_versioned', business_date('opened_at'), '1', "row_status = 'accepted'"),
    ('usage', 'int_product_usage_versioned', 'used_on', 'quantity', "row_status = 'accepted'"),
] -%}

{%- for kpi, relation, day, amount, condition in kinds %}
select
    customer_key,
    '{{ kpi }}' as kpi,
    {{ day }} as happened_on,
    cast({{ amount }} as double) as amount
from {{ ref(relation) }}
where {{ condition }}
{%- if not loop.last %}

union all
{% endif %}
{%- endfor %}
