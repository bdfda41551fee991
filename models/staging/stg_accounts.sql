select
    -- ids
    {{ surrogate_key('_customer_source', 'account_id') }} as account_key,
    account_id,

    -- text
    owner,
    tier,
    _attributes as attributes,

    -- numerics
    {{ try_cast('trim(arr)', 'double') }} as arr,

    -- verdict
    case
        when _flags like '%_row:excluded%' then 'excluded'
        when account_id is null then 'missing_id'
        {{ number_reasons('arr') }}
    end as reject_reason,

    -- provenance
    {{ provenance() }}
from {{ source('raw', 'accounts') }}
