{{ config(materialized='view') }}

{%- set columns = [
    'subscription_key', 'subscription_id', 'customer_key', 'plan', 'currency', 'started_at', 'ended_at', 'renews_at',
] -%}

{{ converted_money(ref('stg_subscriptions'), columns, amount='mrr', moment='started_at') }}
