-- what an account's contacts are to it, as its CRM says now
with contacts as (
    select
        customer_key,
        nullif(lower(trim({{ json_member('attributes', 'role') }})), '') as role
    from {{ ref('int_customers_known') }}
    where attributes like '%"role"%'
),

answers as (
    select
        facts.*,
        coalesce(contacts.role, '(unknown)') as role
    from {{ ref('fct_nps_responses') }} as facts
    inner join {{ ref('metrics') }} as metrics on facts.metric = metrics.metric and metrics.population = 'customers'
    left join contacts on facts.customer_key = contacts.customer_key
    where facts.account_key is not null
)

select
    account_key,
    voice_key,
    metric,
    survey_type,
    role,
    responded_at,
    responded_on,
    lag(responded_on) over latest_first as next_on,
    score,
    nps_class,
    contribution
from answers
window latest_first as (partition by account_key, voice_key, metric, survey_type order by {{ latest_first('answers') }})
