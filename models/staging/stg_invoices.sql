select
    -- ids
    {{ surrogate_key('_source', 'invoice_id') }} as invoice_key,
    invoice_id,
    customer_id,
    {{ surrogate_key('_customer_source', 'customer_id') }} as customer_key,

    -- text
    coalesce(lower(trim(kind)), 'recurring') as kind,
    currency,

    -- numerics
    -- a refund takes revenue back, whichever sign the source writes
    case when lower(trim(kind)) = 'refund' then -abs({{ try_cast('trim(amount)', 'double') }}) else {{ try_cast('trim(amount)', 'double') }} end as amount,

    -- timestamps
    {{ try_cast('invoiced_at', 'timestamp') }} as invoiced_at,

    -- verdict
    case
        when _flags like '%_row:excluded%' then 'excluded'
        when invoice_id is null then 'missing_id'
        when customer_id is null then 'missing_required'
        when lower(trim(kind)) not in ('recurring', 'one_off', 'refund') then 'bad_value'
        {{ timestamp_reasons('invoiced_at', required=true) }}
        {{ event_reasons('invoiced_at') }}
        {{ number_reasons('amount', required=true) }}
    end as reject_reason,

    -- provenance
    {{ provenance() }}
from {{ source('raw', 'invoices') }}
