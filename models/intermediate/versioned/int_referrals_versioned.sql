with {{ judge_versions('int_referrals_versioned', ref('stg_referrals'), key=['referral_key'], version='snapshot_at', entity='referrals') }}

select * from judged
