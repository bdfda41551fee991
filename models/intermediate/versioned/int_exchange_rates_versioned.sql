{%- set columns = [
    'currency', 'rate', 'valid_from',
] -%}

with {{ judge_versions(ref('stg_exchange_rates'), columns, key=['currency', 'valid_from'], version='snapshot_at', entity='exchange_rates') }}

select * from judged
