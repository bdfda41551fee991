with {{ judge_versions(ref('int_survey_responses_classified'), key=['response_key'], version='updated_at', deleted='is_deleted') }}

select * from judged
