{%- set columns = [
    'customer_id', 'customer_key', 'kind', 'currency', 'amount', 'moved_at',
] -%}

with {{ judge_versions(ref('int_mrr_movements_converted'), columns, key=['customer_key', 'moved_at', 'kind', 'amount'], version='snapshot_at', entity='mrr_movements') }}

select * from judged
