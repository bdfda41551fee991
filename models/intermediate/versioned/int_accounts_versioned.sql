with {{ judge_versions(ref('stg_accounts'), key=['account_key'], version='snapshot_at', entity='accounts') }}

select * from judged
