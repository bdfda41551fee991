{%- set columns = [
    'survey_key', 'survey_id', 'name', 'metric', 'survey_type', 'scale', 'question',
    'touchpoint',
] -%}

with {{ judge_versions(ref('stg_surveys'), columns, key=['survey_key'], version='snapshot_at', entity='surveys') }}

select * from judged
