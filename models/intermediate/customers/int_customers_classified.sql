{{ config(
    materialized='incremental',
    incremental_strategy='replace',
    meta={'changed': {'key': 'customer_key', 'model': 'int_customers_affected'}},
) }}

with responses as (
    select
        response_key,
        customer_key,
        metric,
        survey_type,
        {{ segment_list(from_mart=true) }}
        source,
        response_id,
        nps_class,
        responded_at,
        version_at
    from {{ ref('fct_nps_responses') }}
    where
        customer_key is not null
        and {{ is_affected('customer_key', 'int_customers_affected') }}
),

silences as (
    select * from {{ ref('int_invitations_followed') }}
    where
        not is_answered
        and {{ is_affected('customer_key', 'int_customers_affected') }}
),

latest as (
    select
        responses.*,
        row_number() over (
            partition by responses.customer_key, responses.metric, responses.survey_type
            order by {{ latest_first('responses') }}
        ) as age
    from responses
),

silent as (
    select
        silences.*,
        row_number() over (
            partition by silences.customer_key, silences.metric, silences.survey_type
            order by silences.landmark_on asc nulls last, silences.invitation_key asc nulls last
        ) as turn
    from silences
    left join latest
        on
            silences.customer_key = latest.customer_key
            and silences.metric = latest.metric
            and silences.survey_type = latest.survey_type
            and latest.age = 1
    where latest.response_key is null
),

-- in the class of the latest answer, and as silent only if there was none
classified as (
    select
        customer_key,
        metric,
        survey_type,
        {{ segment_list() }}
        nps_class,
        cast(null as date) as landmark_on
    from latest
    where age = 1

    union all

    select
        customer_key,
        metric,
        survey_type,
        {{ segment_list() }}
        nps_class,
        landmark_on
    from silent
    where turn = 1
)

select * from classified
