{%- set columns = [
    'referral_key', 'referral_id', 'referrer_customer_id', 'referrer_customer_key',
    'referred_customer_id', 'referred_customer_key', 'referred_at', 'converted_at',
] -%}

with {{ judge_versions(ref('stg_referrals'), columns, key=['referral_key'], version='snapshot_at', entity='referrals') }}

select * from judged
