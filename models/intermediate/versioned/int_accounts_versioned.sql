{%- set columns = [
    'account_key', 'account_id', 'owner', 'tier', 'attributes', 'arr',
] -%}

with {{ judge_versions(ref('stg_accounts'), columns, key=['account_key'], version='snapshot_at', entity='accounts') }}

select * from judged
