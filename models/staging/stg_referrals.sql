select
    -- ids
    {{ surrogate_key('_source', 'referral_id') }} as referral_key,
    referral_id,
    referrer_customer_id,
    {{ surrogate_key('_customer_source', 'referrer_customer_id') }} as referrer_customer_key,
    referred_customer_id,
    {{ surrogate_key('_customer_source', 'referred_customer_id') }} as referred_customer_key,

    -- timestamps
    {{ try_cast('referred_at', 'timestamp') }} as referred_at,
    {{ try_cast('converted_at', 'timestamp') }} as converted_at,

    -- verdict
    case
        when _flags like '%_row:excluded%' then 'excluded'
        when referral_id is null then 'missing_id'
        when referrer_customer_id is null then 'missing_required'
        {{ timestamp_reasons('referred_at', required=true) }}
        {{ timestamp_reasons('converted_at') }}
        {{ event_reasons('referred_at') }}
    end as reject_reason,

    -- provenance
    {{ provenance() }}
from {{ source('raw', 'referrals') }}
