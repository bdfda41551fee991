-- what is dated after as_of is not known yet
select
    follow_ups.case_key,
    follow_ups.response_key,
    follow_ups.root_cause,
    follow_ups.action,
    follow_ups.opened_at,
    {%- for moment in ['first_contact_at', 'closed_at', 'reopened_at'] %}
    case when follow_ups.{{ moment }} < workspace.as_of_at then follow_ups.{{ moment }} end as {{ moment }},
    {%- endfor %}
    workspace.as_of_at
from {{ ref('int_follow_ups_versioned') }} as follow_ups
cross join {{ source('raw', 'workspace') }} as workspace
where follow_ups.row_status = 'accepted'
