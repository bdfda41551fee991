with {{ judge_versions('int_survey_invitations_versioned', ref('stg_survey_invitations'), key=['invitation_key'], version='snapshot_at', entity='survey_invitations') }}

select * from judged
