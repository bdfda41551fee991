select
    customers.customer,
    cast(row_number() over latest_first as int) as turn,
    responses.responded_on,
    responses.score,
    responses.nps_class,
    lead(responses.score) over latest_first as previous_score,
    avg(responses.contribution) over (
        partition by customers.customer
        order by {{ latest_first('responses') }}
        rows between current row and unbounded following
    ) as mean_contribution
from {{ ref('fct_nps_responses') }} as responses
inner join {{ ref('int_feature_customers_numbered') }} as customers on responses.customer_key = customers.customer_key
inner join {{ source('raw', 'workspace') }} as workspace
    on responses.metric = workspace.headline_metric and responses.survey_type = workspace.headline_survey_type
window latest_first as (
    partition by customers.customer
    order by {{ latest_first('responses') }}
)
