with {{ judge_versions(ref('stg_leads'), key=['lead_key'], version='snapshot_at', entity='leads') }}

select * from judged
