{{ config(materialized='view') }}

{%- set columns = [
    'customer_id', 'customer_key', 'kind', 'currency', 'moved_at',
] -%}

{{ converted_money(ref('stg_mrr_movements'), columns, amount='amount', moment='moved_at') }}
