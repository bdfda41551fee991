{%- set columns = [
    'lead_key', 'lead_id', 'email_key', 'attributes', 'created_at',
] -%}

with {{ judge_versions(ref('stg_leads'), columns, key=['lead_key'], version='snapshot_at', entity='leads') }}

select * from judged
