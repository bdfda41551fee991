{%- set columns = [
    'customer_id', 'customer_key', 'feature', 'quantity', 'used_on',
] -%}

with {{ judge_versions(ref('stg_product_usage'), columns, key=['customer_key', 'used_on', 'feature'], version='snapshot_at', entity='product_usage') }}

select * from judged
