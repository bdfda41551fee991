with {{ judge_versions(ref('stg_survey_invitations'), key=['invitation_key'], version='snapshot_at', entity='survey_invitations', left_out=['invitation_id', 'customer_id']) }}

select * from judged
