{%- set columns = ['response_key', 'theme'] -%}

with {{ judge_versions(ref('stg_labels'), columns, key=['response_key', 'theme'], version='snapshot_at', entity='labels') }}

select * from judged
