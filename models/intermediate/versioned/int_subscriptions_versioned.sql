with {{ judge_versions(ref('stg_subscriptions'), key=['subscription_key'], version='snapshot_at', entity='subscriptions', left_out=['subscription_id', 'customer_id']) }}

select * from judged
