with {{ judge_versions('int_accounts_versioned', ref('stg_accounts'), key=['account_key'], version='snapshot_at', entity='accounts') }}

select * from judged
