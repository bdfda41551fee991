select
    -- text
    upper(trim(currency)) as currency,

    -- numerics
    {{ try_cast('trim(rate)', 'double') }} as rate,

    -- dates
    {{ try_cast('valid_from', 'date') }} as valid_from,

    -- verdict
    case
        when _flags like '%_row:excluded%' then 'excluded'
        when currency is null then 'missing_required'
        when not {{ matches('upper(trim(currency))', '[A-Z]{3}') }} then 'bad_value'
        {{ timestamp_reasons('valid_from', required=true) }}
        {{ number_reasons('rate', required=true) }}
        -- a rate that is no rate would make money vanish or change its sign
        when {{ try_cast('trim(rate)', 'double') }} <= 0 then 'bad_value'
    end as reject_reason,

    -- provenance
    {{ provenance() }}
from {{ source('raw', 'exchange_rates') }}
