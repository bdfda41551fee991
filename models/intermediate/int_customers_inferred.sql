with known as (
    select customer_key from {{ ref('int_customers_known') }}
),

unnamed as (
    select distinct responses.customer_key
    from {{ ref('int_responses_identified') }} as responses
    left join known on responses.customer_key = known.customer_key
    where
        responses.customer_key is not null
        and known.customer_key is null
        {{ and_touched('responses.customer_key', 'int_feature_customers_touched') }}
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
