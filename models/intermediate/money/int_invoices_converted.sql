{{ config(materialized='view') }}

{%- set columns = [
    'invoice_key', 'invoice_id', 'customer_key', 'kind', 'currency', 'invoiced_at',
] -%}

{{ converted_money(ref('stg_invoices'), columns, amount='amount', moment='invoiced_at') }}
