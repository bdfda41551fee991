with {{ judge_versions('int_mrr_movements_versioned', ref('stg_mrr_movements'), key=['customer_key', 'moved_at', 'kind', 'amount'], version='snapshot_at', entity='mrr_movements') }}

select * from judged
