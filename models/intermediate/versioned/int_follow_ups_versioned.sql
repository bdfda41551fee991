{%- set columns = [
    'case_key', 'case_id', 'response_id', 'response_key', 'owner', 'outcome', 'root_cause', 'action',
    'opened_at', 'first_contact_at', 'closed_at', 'reopened_at',
] -%}

with {{ judge_versions(ref('stg_follow_ups'), columns, key=['case_key'], version='snapshot_at', entity='follow_ups') }}

select * from judged
