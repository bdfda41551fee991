select
    response_key,
    min(first_contact_at) as contacted_at
from {{ ref('int_follow_ups_versioned') }}
where row_status = 'accepted' and first_contact_at is not null
group by response_key
