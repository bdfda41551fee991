with {{ judge_versions('int_survey_responses_versioned', ref('int_survey_responses_classified'), key=['response_key'], version='updated_at', deleted='is_deleted', withdrawals=['test_answer', 'score_missing']) }}

select * from judged
