with {{ judge_versions(ref('stg_follow_ups'), key=['case_key'], version='snapshot_at') }}

select * from judged
