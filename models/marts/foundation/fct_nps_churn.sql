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

-- of what only a status tells nothing is known before the first snapshot
followed as (
    select
        responses.*,
        lifecycles.churned_at,
        lifecycles.churned_on,
        lifecycles.has_mrr_information,
        lifecycles.has_revenue_information,
        coalesce(
            lifecycles.has_churn_information
            and (lifecycles.churn_known_from is null or lifecycles.churn_known_from <= responses.responded_at),
            false
        ) as has_churn_information
    from responses
    left join lifecycles on responses.customer_key = lifecycles.customer_key
),

final as (
    select
        followed.response_key,
        followed.customer_key,
        followed.metric,
        followed.survey_type,
        followed.nps_class,
        {{ segment_list('followed.', to_mart=true) }}
        followed.responded_on,
        case when followed.has_churn_information then followed.churned_on end as churned_on,
        case
            when followed.has_churn_information and followed.churned_at > followed.responded_at
                then cast({{ dbt.datediff('followed.responded_on', 'followed.churned_on', 'day') }} as int)
        end as days_to_churn,
        followed.has_churn_information,
        case
            when followed.has_churn_information
                then followed.churned_at is null or followed.churned_at > followed.responded_at
        end as was_active_at_answer,
        case when followed.has_mrr_information then round(money_before.mrr_change_before, 6) end as mrr_at_answer,
        case when followed.has_revenue_information then round(money_before.revenue_before, 6) end as revenue_before
    from followed
    left join money_before on followed.response_key = money_before.response_key
)

select * from final
