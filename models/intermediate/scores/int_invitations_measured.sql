{%- set group = ['metric', 'survey_type', 'is_answered'] -%}

-- Customers by what they were like when they were first invited, whether they answered or not.
with asked as (
    select
        invitations.customer_key,
        invitations.metric,
        invitations.survey_type,
        invitations.is_answered,
        invitations.is_compared,
        invitations.sent_at as happened_at,
        invitations.landmark_on,
        invitations.days_to_churn,
        invitations.has_churn_information,
        cast({{ dbt.datediff(business_date('lifecycles.signed_up_at'), 'invitations.sent_on', 'day') }} as double) as tenure_days,
        lifecycles.has_mrr_information
    from {{ ref('int_first_landmarks_chosen') }} as invitations
    inner join {{ ref('int_customer_lifecycles_dated') }} as lifecycles on invitations.customer_key = lifecycles.customer_key
),

money as (
    select * from {{ ref('int_customer_money_moved') }}
    where mrr_change <> 0
),

{{ money_before('asked', group + ['is_compared', 'has_mrr_information'], ['mrr_change']) }},

lifetimes as (
    select
        {{ group | join(', ') }},
        landmark_on,
        days_to_churn,
        is_compared,
        has_churn_information,
        count(*) as customers
    from asked
    group by {{ group | join(', ') }}, landmark_on, days_to_churn, is_compared, has_churn_information
),

-- a value of NULL: the customer is not compared, or the measure is unknown
measured as (
    select
        {{ group | join(', ') }},
        'mrr' as measure,
        cast(null as int) as window_days,
        has_mrr_information as is_delivered,
        false as is_excluded,
        -- what is too large for an exact sum stays too large: its mean is unknown
        case when is_compared and has_mrr_information then coalesce(round(mrr_change_before, 6), 1e18) end as measured_value,
        1 as customers
    from money_before

    union all

    -- who signed up after the sending was no customer then, or one of the two dates is wrong
    select
        {{ group | join(', ') }},
        'tenure_days' as measure,
        cast(null as int) as window_days,
        tenure_days is not null as is_delivered,
        is_compared and coalesce(tenure_days < 0, false) as is_excluded,
        case when is_compared and tenure_days >= 0 then tenure_days end as measured_value,
        1 as customers
    from asked

    union all

    -- a rate counts only windows that are over, so that early churners don't inflate it
    select
        lifetimes.metric,
        lifetimes.survey_type,
        lifetimes.is_answered,
        'churn_rate' as measure,
        cast(windows.window_days as int) as window_days,
        lifetimes.has_churn_information as is_delivered,
        false as is_excluded,
        case
            when not (lifetimes.is_compared and lifetimes.has_churn_information) then null
            when {{ days_after('lifetimes.landmark_on', 'windows.window_days') }} > workspace.as_of_on then null
            when lifetimes.days_to_churn <= windows.window_days then 1e0
            else 0e0
        end as measured_value,
        lifetimes.customers
    from lifetimes
    cross join {{ source('raw', 'churn_windows') }} as windows
    cross join {{ source('raw', 'workspace') }} as workspace
),

final as (
    select
        {{ group | join(', ') }},
        measure,
        window_days,
        is_delivered,
        is_excluded,
        measured_value,
        cast(sum(customers) as bigint) as customers
    from measured
    group by {{ group | join(', ') }}, measure, window_days, is_delivered, is_excluded, measured_value
)

select * from final
