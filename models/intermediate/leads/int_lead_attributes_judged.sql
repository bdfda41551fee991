with customers as (
    select
        attribute,
        count(*) as customers,
        count(known_value) as known_customers,
        sum(case when is_known_now then 1 else 0 end) as known_customers_now
    from {{ ref('int_lead_answers_known') }}
    group by attribute
),

leads as (
    select
        listed.attribute,
        count(*) as leads,
        count(listed.known_value) as known_leads,
        count(levels.known_value) as comparable_leads
    from {{ ref('int_lead_values_listed') }} as listed
    left join {{ ref('int_lead_levels_counted') }} as levels
        on listed.attribute = levels.attribute and listed.known_value = levels.known_value
    group by listed.attribute
),

shared as (
    select
        declared.attribute,
        declared.is_of_customers,
        coalesce(customers.customers, 0) as customers,
        1e0 * customers.known_customers / customers.customers as customer_coverage,
        1e0 * customers.known_customers_now / customers.customers as customer_coverage_now,
        coalesce(leads.leads, 0) as leads,
        1e0 * leads.known_leads / leads.leads as lead_coverage,
        1e0 * leads.comparable_leads / leads.leads as comparable_coverage
    from {{ source('raw', 'lead_attributes') }} as declared
    left join customers on declared.attribute = customers.attribute
    left join leads on declared.attribute = leads.attribute
)

select
    *,
    case
        when not is_of_customers then 'not_of_customers'
        when customers = 0 then 'no_answers'
        when customer_coverage_now - customer_coverage > {{ assumption('max_lead_coverage_gap') }} then 'filled_later'
        when customer_coverage < {{ assumption('min_lead_coverage') }} then 'seldom_known_of_customers'
        when leads = 0 then 'no_leads'
        when comparable_coverage < {{ assumption('min_lead_coverage') }} then 'seldom_known_of_leads'
        when abs(customer_coverage - comparable_coverage) > {{ assumption('max_lead_coverage_gap') }} then 'coverage_differs'
    end as left_out_because
from shared
