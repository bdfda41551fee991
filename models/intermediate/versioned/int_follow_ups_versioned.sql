with {{ judge_versions(ref('stg_follow_ups'), key=['case_key'], version='snapshot_at', entity='follow_ups') }}

select * from judged
