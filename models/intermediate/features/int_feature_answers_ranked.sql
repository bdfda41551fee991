with workspace as (
    select * from {{ source('raw', 'workspace') }}
),

customers as (
    select
        customer,
        customer_key
    from {{ ref('int_feature_customers_numbered') }}
),

responses as (
    select
        customers.customer,
        responses.response_id,
        responses.source,
        responses.responded_at,
        responses.responded_on,
        responses.version_at,
        responses.score,
        responses.nps_class,
        responses.contribution
    from {{ ref('fct_nps_responses') }} as responses
    inner join customers on responses.customer_key = customers.customer_key
    inner join workspace
        on responses.metric = workspace.headline_metric and responses.survey_type = workspace.headline_survey_type
),

final as (
    select
        responses.customer,
        cast(row_number() over latest_first as int) as turn,
        responses.responded_on,
        responses.score,
        responses.nps_class,
        lead(responses.score) over latest_first as previous_score,
        avg(responses.contribution) over (
            partition by responses.customer
            order by {{ latest_first('responses') }}
            rows between current row and unbounded following
        ) as mean_contribution
    from responses
    window latest_first as (
        partition by responses.customer
        order by {{ latest_first('responses') }}
    )
)

select * from final
