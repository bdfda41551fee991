{{ config(
    materialized='incremental',
    incremental_strategy='replace',
    meta={'changed': [{'key': 'customer_key', 'model': 'int_feature_customers_affected'}, {'key': 'as_of_on', 'model': 'int_feature_days_affected'}]},
) }}

with final as (
    select
        customers.customer_key,
        sums.as_of_on,
        case
            when customers.has_churn_information
                then customers.churned_on is null or customers.churned_on > sums.as_of_on
        end as is_active,
        cast({{ dbt.datediff('customers.signed_up_on', 'sums.as_of_on', 'day') }} as int) as tenure_days,
        latest.score as last_score,
        latest.nps_class as last_class,
        cast({{ dbt.datediff('latest.responded_on', 'sums.as_of_on', 'day') }} as int) as days_since_last_response,
        cast(sums.responses_90d as bigint) as responses_90d,
        cast(sums.responses_365d as bigint) as responses_365d,
        latest.mean_contribution,
        latest.score - latest.previous_score as score_trend,
        case when customers.has_revenue_information then round(sums.revenue, 6) end as realised_ltv,
        case when customers.has_revenue_information then round(sums.revenue_365d, 6) end as revenue_365d,
        case when customers.has_tickets then cast(sums.tickets_90d as bigint) end as tickets_90d,
        case when customers.has_tickets then cast(sums.tickets_365d as bigint) end as tickets_365d,
        case when customers.has_usage then sums.usage_90d end as usage_90d
    from {{ ref('int_feature_days_summed') }} as sums
    inner join {{ ref('int_feature_customers_numbered') }} as customers on sums.customer = customers.customer
    left join {{ ref('int_feature_answers_ranked') }} as latest
        on sums.customer = latest.customer and sums.turn = latest.turn
)

select * from final
{%- if is_batch() %}

union all

-- customers without events and without events leaving a window: the last day's features hold for one more
select
    before.customer_key,
    days.as_of_on,
    before.is_active,
    before.tenure_days + cast({{ dbt.datediff('before.as_of_on', 'days.as_of_on', 'day') }} as int) as tenure_days,
    before.last_score,
    before.last_class,
    before.days_since_last_response + cast({{ dbt.datediff('before.as_of_on', 'days.as_of_on', 'day') }} as int) as days_since_last_response,
    before.responses_90d,
    before.responses_365d,
    before.mean_contribution,
    before.score_trend,
    before.realised_ltv,
    before.revenue_365d,
    before.tickets_90d,
    before.tickets_365d,
    before.usage_90d
from {{ this }} as before
inner join {{ of_lake('last_build') }} as last_build on before.as_of_on = last_build.as_of_on
inner join {{ ref('int_feature_days_listed') }} as days on last_build.as_of_on < days.as_of_on
where before.customer_key not in (select affected.customer_key from {{ ref('int_feature_customers_affected') }} as affected)
{%- endif %}
{%- if not execute %}
    {%- for model in ['int_feature_customers_affected', 'int_feature_days_affected', 'int_feature_days_listed'] %}{% do ref(model) %}{% endfor %}
{%- endif %}
