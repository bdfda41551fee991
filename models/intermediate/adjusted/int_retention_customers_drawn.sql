-- of many customers half of those that are sorted are kept, and all others dropped first
with placed as (
    select
        *,
        row_number() over (partition by metric, survey_type order by draw asc nulls last, customer_key asc nulls last) as place
    from {{ ref('int_retention_customers_followed') }}
    where draw * known_customers < 2 * {{ assumption('adjusted_customers') }}
)

-- a churn after as_of is unknown at as_of: the customer is censored there
select
    metric,
    survey_type,
    place,
    known_customers,
    nps_class,
    {{ segment_list() }}
    case when tenure_days >= 0 then tenure_days / 365e0 end as tenure_years,
    case when mrr >= 0 then ln(1 + mrr) end as log_mrr,
    case when days_to_churn <= days_seen then days_to_churn else days_seen end as days,
    coalesce(days_to_churn <= days_seen, false) as is_churned
from placed
where place <= {{ assumption('adjusted_customers') }}
