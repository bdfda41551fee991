with answering as (
    select customer_key from {{ ref('fct_nps_responses') }}
    where
        customer_key is not null
        and {{ is_affected('customer_key', 'int_feature_customers_affected') }}
),

unnamed as (
    select distinct answering.customer_key
    from answering
    left join {{ ref('int_customers_known') }} as known on answering.customer_key = known.customer_key
    where known.customer_key is null
),

answers as (
    select * from {{ ref('int_survey_responses_versioned') }}
    where row_status = 'accepted' and customer_id is not null
),

inferred as (
    select
        unnamed.customer_key,
        answers.customer_source,
        answers.customer_id,
        min({{ surrogate_key('answers.customer_source', 'answers.account_id') }}) as account_key
    from answers
    inner join unnamed on answers.customer_key = unnamed.customer_key
    group by unnamed.customer_key, answers.customer_source, answers.customer_id
)

select * from inferred
