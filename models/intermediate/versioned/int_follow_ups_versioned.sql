with {{ judge_versions('int_follow_ups_versioned', ref('stg_follow_ups'), key=['case_key'], version='snapshot_at', entity='follow_ups') }}

select * from judged
