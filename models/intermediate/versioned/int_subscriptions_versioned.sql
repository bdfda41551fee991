with {{ judge_versions(ref('stg_subscriptions'), key=['subscription_key'], version='snapshot_at', entity='subscriptions') }}

select * from judged
