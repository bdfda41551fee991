select
    -- ids
    {{ surrogate_key('_source', 'lead_id') }} as lead_key,
    lead_id,
    _email_key as email_key,

    -- text
    _attributes as attributes,

    -- timestamps
    {{ try_cast('created_at', 'timestamp') }} as created_at,

    -- verdict
    case
        when _flags like '%_row:excluded%' then 'excluded'
        when lead_id is null then 'missing_id'
        {{ timestamp_reasons('created_at') }}
        {{ event_reasons('created_at') }}
    end as reject_reason,

    -- provenance
    {{ provenance() }}
from {{ source('raw', 'leads') }}
