with {{ judge_versions('int_surveys_versioned', ref('stg_surveys'), key=['survey_key'], version='snapshot_at', entity='surveys') }}

select * from judged
