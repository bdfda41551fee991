select
    -- ids
    customer_id,
    {{ surrogate_key('_customer_source', 'customer_id') }} as customer_key,

    -- text
    feature,

    -- numerics
    {{ try_cast('trim(quantity)', 'double') }} as quantity,

    -- dates
    {{ try_cast('used_on', 'date') }} as used_on,

    -- verdict
    case
        when _flags like '%_row:excluded%' then 'excluded'
        when customer_id is null then 'missing_required'
        {{ timestamp_reasons('used_on', required=true) }}
        -- a day is in the future if it is after as_of's own
        when extract(year from {{ try_cast('used_on', 'date') }}) < {{ assumption('earliest_year') }} then 'too_old'
        when {{ try_cast('used_on', 'date') }} > (select as_of_on from {{ source('raw', 'workspace') }}) then 'future'
        {{ number_reasons('quantity', required=true) }}
    end as reject_reason,

    -- provenance
    {{ provenance() }}
from {{ source('raw', 'product_usage') }}
