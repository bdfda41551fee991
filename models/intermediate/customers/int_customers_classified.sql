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

invitations as (
    select * from {{ ref('int_invitations_unanswered') }}
    where {{ is_affected('customer_key', 'int_customers_affected') }}
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
        invitations.*,
        row_number() over (
            partition by invitations.customer_key, invitations.metric, invitations.survey_type
            order by invitations.sent_on desc nulls last, invitations.invitation_key asc nulls last
        ) as age
    from invitations
    left join latest
        on
            invitations.customer_key = latest.customer_key
            and invitations.metric = latest.metric
            and invitations.survey_type = latest.survey_type
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
        nps_class
    from latest
    where age = 1

    union all

    select
        customer_key,
        metric,
        survey_type,
        {{ segment_list() }}
        'no_response' as nps_class
    from silent
    where age = 1
)

select * from classified
