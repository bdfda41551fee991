with {{ judge_versions('int_customers_versioned', ref('stg_customers'), key=['customer_key', 'snapshot_at'], version='cast(null as timestamp)', deleted='is_deleted', entity='customers') }}

select * from judged
