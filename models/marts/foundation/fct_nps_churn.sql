{{ config(
    materialized='incremental',
    incremental_strategy='replace',
    contract={'enforced': false},
    meta={'changed': {'key': 'customer_key', 'model': 'int_customers_affected'}},
    post_hook="{{ describe_segments('as of the answer; NULL: unknown') }}",
) }}

with responses as (
    select
        response_key,
        customer_key,
        metric,
        survey_type,
        nps_class,
        {{ segment_list(from_mart=true) }}
        responded_at,
        responded_on
    from {{ ref('fct_nps_responses') }}
    where
        customer_key is not null
        and {{ is_affected('customer_key', 'int_customers_affected') }}
),

money as (
    select * from {{ ref('int_customer_money_moved') }}
    where {{ is_affected('customer_key', 'int_customers_affected') }}
),

lifecycles as (
    select
        *,
        {{ business_date('churned_at') }} as churned_on
    from {{ ref('int_customer_lifecycles_dated') }}
),

answers as (
    select
        response_key,
        customer_key,
        responded_at as happened_at
    from responses
),

{{ money_before('answers', ['response_key'], ['revenue', 'mrr_change']) }},

final as (
    select
        responses.response_key,
        responses.customer_key,
        responses.metric,
        responses.survey_type,
        responses.nps_class,
        {{ segment_list('responses.', to_mart=true) }}
        responses.responded_on,
        lifecycles.churned_on,
        case
            when lifecycles.churned_at > responses.responded_at
                then cast({{ dbt.datediff('responses.responded_on', 'lifecycles.churned_on', 'day') }} as int)
        end as days_to_churn,
        coalesce(lifecycles.has_churn_information, false) as has_churn_information,
        case
            when lifecycles.has_churn_information
                then lifecycles.churned_at is null or lifecycles.churned_at > responses.responded_at
        end as was_active_at_answer,
        case when lifecycles.has_mrr_information then round(money_before.mrr_change_before, 6) end as mrr_at_answer,
        case when lifecycles.has_revenue_information then round(money_before.revenue_before, 6) end as revenue_before
    from responses
    left join lifecycles on responses.customer_key = lifecycles.customer_key
    left join money_before on responses.response_key = money_before.response_key
)

select * from final
