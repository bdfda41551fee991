{%- set columns = [
    'ticket_key', 'ticket_id', 'customer_id', 'customer_key', 'priority', 'category',
    'satisfaction', 'opened_at', 'closed_at',
] -%}

with {{ judge_versions(ref('stg_support_tickets'), columns, key=['ticket_key'], version='snapshot_at', entity='support_tickets') }}

select * from judged
