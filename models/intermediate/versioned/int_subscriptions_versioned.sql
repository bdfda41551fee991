with {{ judge_versions('int_subscriptions_versioned', ref('stg_subscriptions'), key=['subscription_key'], version='snapshot_at', entity='subscriptions') }}

select * from judged
