{%- set columns = [
    'subscription_key', 'customer_key', 'plan', 'currency', 'mrr', 'started_at', 'ended_at',
    'renews_at',
] -%}

with {{ judge_versions(ref('int_subscriptions_converted'), columns, key=['subscription_key'], ids=['subscription_id'], version='snapshot_at', entity='subscriptions') }}

select * from judged
