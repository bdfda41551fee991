select
    -- ids
    {{ surrogate_key('_source', 'case_id') }} as case_key,
    case_id,
    response_id,
    {{ surrogate_key('_customer_source', 'response_id') }} as response_key,

    -- text
    owner,
    outcome,
    nullif(trim(root_cause), '') as root_cause,
    nullif(trim(action), '') as action,

    -- timestamps
    {{ try_cast('opened_at', 'timestamp') }} as opened_at,
    {{ try_cast('first_contact_at', 'timestamp') }} as first_contact_at,
    {{ try_cast('closed_at', 'timestamp') }} as closed_at,
    {{ try_cast('reopened_at', 'timestamp') }} as reopened_at,

    -- verdict
    case
        when _flags like '%_row:excluded%' then 'excluded'
        when case_id is null then 'missing_id'
        when response_id is null then 'missing_required'
        {{ timestamp_reasons('opened_at') }}
        {{ timestamp_reasons('first_contact_at') }}
        {{ timestamp_reasons('closed_at') }}
        {{ timestamp_reasons('reopened_at') }}
        {{ event_reasons('opened_at') }}
    end as reject_reason,

    -- provenance
    {{ provenance() }}
from {{ source('raw', 'follow_ups') }}
