select
    -- ids
    {{ surrogate_key('_source', 'subscription_id') }} as subscription_key,
    subscription_id,
    customer_id,
    {{ surrogate_key('_customer_source', 'customer_id') }} as customer_key,

    -- text
    plan,
    currency,

    -- numerics
    {{ try_cast('trim(mrr)', 'double') }} as mrr,

    -- timestamps
    {{ try_cast('started_at', 'timestamp') }} as started_at,
    {{ try_cast('ended_at', 'timestamp') }} as ended_at,
    {{ try_cast('renews_at', 'timestamp') }} as renews_at,

    -- verdict
    case
        when _flags like '%_row:excluded%' then 'excluded'
        when subscription_id is null then 'missing_id'
        when customer_id is null then 'missing_required'
        {{ timestamp_reasons('started_at', required=true) }}
        {{ timestamp_reasons('ended_at') }}
        {{ timestamp_reasons('renews_at') }}
        {{ event_reasons('started_at') }}
        {{ number_reasons('mrr') }}
    end as reject_reason,

    -- provenance
    {{ provenance() }}
from {{ source('raw', 'subscriptions') }}
