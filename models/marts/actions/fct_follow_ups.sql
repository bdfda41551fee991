select
    cases.case_key,
    cases.response_key,
    cases.customer_key,
    cases.metric,
    cases.survey_type,
    cases.nps_class,
    cases.account_tier,
    cases.responded_on,
    cases.opened_at,
    cases.first_contact_at,
    cases.closed_at,
    cases.hours_to_first_contact,
    cases.hours_to_close,
    cast(cases.contact_sla_hours as int) as contact_sla_hours,
    cast(cases.close_sla_hours as int) as close_sla_hours,
    cases.contact_due_at,
    cases.close_due_at,
    cases.is_within_sla,
    cases.is_open,
    cases.is_overdue,
    cases.is_reopened,
    -- what few cases say may be a sentence about a person
    {%- for column, count in {'root_cause': 'cases_of_cause', 'action': 'cases_of_action'}.items() %}
    case
        when cases.{{ column }} is null then null
        when cases.{{ count }} >= workspace.min_group_size then {{ public_text('cases.' ~ column, "'(other)'") }}
        else '(other)'
    end as {{ column }},
    {%- endfor %}
    cases.next_class,
    cases.is_recovered
from {{ ref('int_follow_ups_judged') }} as cases
cross join {{ source('raw', 'workspace') }} as workspace
