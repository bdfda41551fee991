{%- set steps = {'contact': 'first_contact', 'close': 'close'} -%}

-- hours are counted from the answer; where it is not known, from the case's opening
with targeted as (
    select
        cases.*,
        coalesce(cases.responded_at, cases.opened_at) as waiting_since,
        coalesce(of_tier.hours_to_first_contact, of_any.hours_to_first_contact) as contact_sla_hours,
        coalesce(of_tier.hours_to_close, of_any.hours_to_close) as close_sla_hours
    from {{ ref('int_follow_ups_dated') }} as cases
    left join {{ ref('follow_up_targets') }} as of_tier on cases.nps_class = of_tier.nps_class and cases.account_tier = of_tier.account_tier
    left join {{ ref('follow_up_targets') }} as of_any on cases.nps_class = of_any.nps_class and of_any.account_tier = '(any)'
),

timed as (
    select
        *,
        {%- for step, moment in {'first_contact': 'first_contact_at', 'close': 'closed_at'}.items() %}
        -- a clock that is slow does not make hours negative
        case when {{ moment }} >= waiting_since then {{ dbt.datediff('waiting_since', moment, 'second') }} / 3600e0 when {{ moment }} < waiting_since then 0e0 end as hours_to_{{ step }},
        {%- endfor %}
        {%- for step in steps %}
        {{ dbt.dateadd('hour', step ~ '_sla_hours', 'waiting_since') }} as {{ step }}_due_at,
        {%- endfor %}
        case when not is_open then {{ days_after(business_date('closed_at'), 'cast(' ~ assumption('recovery_days') ~ ' as int)') }} end as speaks_until,
        count(*) over (partition by root_cause) as cases_of_cause,
        count(*) over (partition by action) as cases_of_action
    from targeted
)

select
    timed.*,
    timed.contact_due_at <= timed.as_of_at as is_contact_due,
    case
        when timed.first_contact_at <= timed.contact_due_at then true
        when timed.contact_due_at <= timed.as_of_at then false
    end as is_within_sla,
    timed.is_open and coalesce(
        (timed.first_contact_at is null and timed.contact_due_at < timed.as_of_at) or timed.close_due_at < timed.as_of_at, false
    ) as is_overdue,
    transitions.to_class as next_class,
    case when timed.contribution < 100 then transitions.to_contribution > timed.contribution end as is_recovered
from timed
-- the voice's first answer after the case was closed
left join {{ ref('fct_nps_transitions') }} as transitions
    on
        timed.voice_key = transitions.voice_key
        and timed.metric = transitions.metric
        and timed.survey_type = transitions.survey_type
        and timed.closed_at >= transitions.responded_at
        and timed.closed_at < transitions.next_responded_at
        and timed.speaks_until >= transitions.next_responded_on
