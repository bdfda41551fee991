{%- set columns = [
    'response_key', 'response_id', 'survey_id', 'survey_key', 'invitation_key',
    'customer_id', 'customer_key', 'email_key', 'account_id', 'metric',
    'survey_type', 'scale', 'channel', 'touchpoint', 'language', 'attributes', 'score',
    'has_comment', 'is_deleted', 'submitted_at', 'updated_at', 'staged_reason', 'nps_class',
    'contribution',
] -%}

with {{ judge_versions(ref('int_survey_responses_classified'), columns, key=['response_key'], ids=['response_id'], version='updated_at', deleted='is_deleted', withdrawals=['test_answer', 'incomplete_answer', 'score_missing']) }}

select * from judged
