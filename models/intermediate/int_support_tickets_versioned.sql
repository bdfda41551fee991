with {{ judge_versions(ref('stg_support_tickets'), key=['ticket_key'], version='snapshot_at') }}

select * from judged
