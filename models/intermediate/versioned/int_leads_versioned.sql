with {{ judge_versions('int_leads_versioned', ref('stg_leads'), key=['lead_key'], version='snapshot_at', entity='leads') }}

select * from judged
