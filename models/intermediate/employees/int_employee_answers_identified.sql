-- by id, else by an address that one employee alone ever held
with addresses as (
    select
        held.email_key,
        min(held.employee_key) as employee_key
    from {{ ref('int_employees_versioned') }} as held
    where held.row_status in ('accepted', 'superseded') and held.email_key is not null
    group by held.email_key
    having count(distinct held.employee_key) = 1
),

employees as (
    select distinct employee_key from {{ ref('int_employee_departments_dated') }}
)

select
    facts.source,
    facts.response_id,
    facts.metric,
    facts.survey_type,
    facts.responded_at,
    facts.responded_on,
    facts.version_at,
    facts.contribution,
    facts.voice_key,
    coalesce(by_id.employee_key, addresses.employee_key) as employee_key
from {{ ref('fct_nps_responses') }} as facts
inner join {{ ref('metrics') }} as metrics on facts.metric = metrics.metric and metrics.population = 'employees'
inner join {{ ref('int_survey_responses_versioned') }} as versions
    on facts.response_key = versions.response_key and versions.row_status = 'accepted'
left join employees as by_id on versions.customer_key = by_id.employee_key
left join addresses on case when by_id.employee_key is null then versions.email_key end = addresses.email_key
