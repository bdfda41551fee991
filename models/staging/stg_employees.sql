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
    {{ to_timestamp('hired_at') }} as hired_at,
    {{ to_timestamp('left_at') }} as left_at,

    -- verdict
    case
        when employee_id is null then 'missing_id'
        {{ timestamp_reasons('hired_at') }}
        {{ timestamp_reasons('left_at') }}
    end as reject_reason,

    -- provenance
    {{ provenance() }}
from {{ source('raw', 'employees') }}
