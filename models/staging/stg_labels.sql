select
    -- ids
    {{ surrogate_key('_customer_source', 'response_id') }} as response_key,

    -- text
    coalesce(lower(trim(theme)), '') as theme,

    -- verdict
    case
        when _flags like '%_row:excluded%' then 'excluded'
        when response_id is null then 'missing_required'
    end as reject_reason,

    -- provenance
    {{ provenance() }}
from {{ source('raw', 'labels') }}
