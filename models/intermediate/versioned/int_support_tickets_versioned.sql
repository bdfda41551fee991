with {{ judge_versions('int_support_tickets_versioned', ref('stg_support_tickets'), key=['ticket_key'], version='snapshot_at', entity='support_tickets') }}

select * from judged
