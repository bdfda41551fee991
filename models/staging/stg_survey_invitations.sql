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
    {{ try_cast('sent_at', 'timestamp') }} as sent_at,
    {{ try_cast('delivered_at', 'timestamp') }} as delivered_at,
    {{ try_cast('opened_at', 'timestamp') }} as opened_at,
    {{ try_cast('responded_at', 'timestamp') }} as responded_at,
    {{ try_cast('bounced_at', 'timestamp') }} as bounced_at,
    {{ try_cast('opted_out_at', 'timestamp') }} as opted_out_at,

    -- verdict
    case
        when _flags like '%_row:excluded%' then 'excluded'
        when invitation_id is null then 'missing_id'
        {{ timestamp_reasons('sent_at', required=true) }}
        {% for column in ['delivered_at', 'opened_at', 'responded_at', 'bounced_at', 'opted_out_at'] %}
        {{ timestamp_reasons(column) }}
        {% endfor %}
        {{ event_reasons('sent_at') }}
    end as reject_reason,

    -- provenance
    {{ provenance() }}
from {{ source('raw', 'survey_invitations') }}
