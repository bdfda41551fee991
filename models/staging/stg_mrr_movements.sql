select
    -- ids
    customer_id,
    {{ surrogate_key('_customer_source', 'customer_id') }} as customer_key,

    -- text
    lower(trim(kind)) as kind,
    currency,

    -- numerics
    {{ try_cast('trim(amount)', 'double') }} as amount,

    -- timestamps
    {{ try_cast('moved_at', 'timestamp') }} as moved_at,

    -- verdict
    case
        when _flags like '%_row:excluded%' then 'excluded'
        when customer_id is null then 'missing_required'
        when kind is null then 'missing_required'
        when lower(trim(kind)) not in ('new', 'expansion', 'contraction', 'churn', 'reactivation') then 'bad_value'
        {{ timestamp_reasons('moved_at', required=true) }}
        {{ event_reasons('moved_at') }}
        {{ number_reasons('amount', required=true) }}
    end as reject_reason,

    -- provenance
    {{ provenance() }}
from {{ source('raw', 'mrr_movements') }}
