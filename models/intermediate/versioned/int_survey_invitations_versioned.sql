{%- set columns = [
    'invitation_key', 'survey_id', 'email_key', 'customer_key', 'channel', 'sent_at',
    'delivered_at', 'opened_at', 'responded_at', 'bounced_at', 'opted_out_at',
] -%}

with {{ judge_versions(ref('stg_survey_invitations'), columns, key=['invitation_key'], ids=['invitation_id'], version='snapshot_at', entity='survey_invitations') }}

select * from judged
