select
    -- ids
    {{ surrogate_key('_source', 'ticket_id') }} as ticket_key,
    ticket_id,
    customer_id,
    {{ surrogate_key('_customer_source', 'customer_id') }} as customer_key,

    -- text
    priority,
    category,
    satisfaction,

    -- timestamps
    {{ try_cast('opened_at', 'timestamp') }} as opened_at,
    {{ try_cast('closed_at', 'timestamp') }} as closed_at,

    -- verdict
    case
        when _flags like '%_row:excluded%' then 'excluded'
        when ticket_id is null then 'missing_id'
        when customer_id is null then 'missing_required'
        {{ timestamp_reasons('opened_at', required=true) }}
        {{ timestamp_reasons('closed_at') }}
        {{ event_reasons('opened_at') }}
    end as reject_reason,

    -- provenance
    {{ provenance() }}
from {{ source('raw', 'support_tickets') }}
