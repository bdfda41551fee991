select
    -- ids
    {{ surrogate_key('_source', 'invitation_id') }} as invitation_key,
    invitation_id,
    survey_id,
    customer_id,
    _email_key as email_key,
    {{ surrogate_key('_customer_source', 'customer_id') }} as customer_key,

    -- text
    channel,

    -- timestamps
    {{ to_timestamp('sent_at') }} as sent_at,
    {{ to_timestamp('delivered_at') }} as delivered_at,
    {{ to_timestamp('opened_at') }} as opened_at,
    {{ to_timestamp('responded_at') }} as responded_at,
    {{ to_timestamp('bounced_at') }} as bounced_at,
    {{ to_timestamp('opted_out_at') }} as opted_out_at,

    -- verdict
    case
        when invitation_id is null then 'missing_id'
        {{ timestamp_reasons('sent_at', required=true) }}
        {{ timestamp_reasons('delivered_at') }}
        {{ timestamp_reasons('opened_at') }}
        {{ timestamp_reasons('responded_at') }}
        {{ timestamp_reasons('bounced_at') }}
        {{ timestamp_reasons('opted_out_at') }}
        {{ event_reasons('sent_at') }}
    end as reject_reason,

    -- provenance
    {{ provenance() }}
from {{ source('raw', 'survey_invitations') }}
