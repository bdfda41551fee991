with {{ judge_versions('int_product_usage_versioned', ref('stg_product_usage'), key=['customer_key', 'used_on', 'feature'], version='snapshot_at', entity='product_usage') }}

select * from judged
