with {{ judge_versions(ref('stg_referrals'), key=['referral_key'], version='snapshot_at', entity='referrals') }}

select * from judged
