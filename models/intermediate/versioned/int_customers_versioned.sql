{%- set columns = [
    'customer_key', 'customer_id', 'email_key', 'account_id', 'account_key', 'attributes',
    'is_deleted', 'signed_up_at', 'churned_at', 'is_churned',
] -%}

with {{ judge_versions(ref('stg_customers'), columns, key=['customer_key', 'snapshot_at'], version='cast(null as timestamp)', deleted='is_deleted', entity='customers') }}

select * from judged
