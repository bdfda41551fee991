select
    -- ids
    {{ surrogate_key('_source', 'employee_id') }} as employee_key,
    employee_id,
    _email_key as email_key,
    manager_id,

    -- text
    department,
    _attributes as attributes,

    -- timestamps
    {{ try_cast('hired_at', 'timestamp') }} as hired_at,
    {{ try_cast('left_at', 'timestamp') }} as left_at,

    -- verdict
    case
        when _flags like '%_row:excluded%' then 'excluded'
        when employee_id is null then 'missing_id'
        {{ timestamp_reasons('hired_at') }}
        {{ timestamp_reasons('left_at') }}
    end as reject_reason,

    -- provenance
    {{ provenance() }}
from {{ source('raw', 'employees') }}
