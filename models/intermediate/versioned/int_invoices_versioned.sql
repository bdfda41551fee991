{%- set columns = [
    'invoice_key', 'customer_key', 'kind', 'currency', 'amount', 'invoiced_at',
] -%}

with {{ judge_versions(ref('int_invoices_converted'), columns, key=['invoice_key'], ids=['invoice_id'], version='snapshot_at', entity='invoices') }}

select * from judged
