select
    -- ids
    {{ surrogate_key('_source', 'case_id') }} as case_key,
    case_id,
    response_id,
    {{ surrogate_key('_customer_source', 'response_id') }} as response_key,

    -- text
    owner,
    outcome,

    -- timestamps
    {{ to_timestamp('opened_at') }} as opened_at,
    {{ to_timestamp('first_contact_at') }} as first_contact_at,
    {{ to_timestamp('closed_at') }} as closed_at,

    -- verdict
    case
        when case_id is null then 'missing_id'
        when response_id is null then 'missing_required'
        {{ timestamp_reasons('opened_at') }}
        {{ timestamp_reasons('first_contact_at') }}
        {{ timestamp_reasons('closed_at') }}
        {{ event_reasons('opened_at') }}
    end as reject_reason,

    -- provenance
    {{ provenance() }}
from {{ source('raw', 'follow_ups') }}
