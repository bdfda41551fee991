with {{ judge_versions(ref('stg_surveys'), key=['survey_key'], version='snapshot_at', entity='surveys') }}

select * from judged
