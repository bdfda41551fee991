{% if is_batch() -%}
with snapshots as (
    select * from {{ ref('int_customers_versioned') }}
)

-- whoever comes to hold an address, or lets it go: it may name somebody else now
select distinct email_key from snapshots
where
    email_key is not null
    {{ and_touched('customer_key', 'int_customers_changed') }}
{%- else -%}
-- depends_on: {{ ref('int_customers_versioned') }}, {{ ref('int_customers_changed') }}
select cast(null as {{ dbt.type_string() }}) as email_key
where false
{%- endif %}
