{%- set group = ['metric', 'survey_type', 'is_responded'] -%}

-- Invitations by what their customers were like when they were sent, whether answered or not.
with invitations as (
    select * from {{ ref('int_invitations_identified') }}
    where
        is_responded is not null
        and metric is not null
        -- who answered was reached; of the others, those whose invitation is not known to have bounced
        and (is_responded or not coalesce(is_bounced, false))
),

money as (
    select * from {{ ref('int_customer_money_moved') }}
    where mrr_change <> 0
),

workspace as (
    select * from {{ source('raw', 'workspace') }}
),

asked as (
    select
        invitations.customer_key,
        invitations.metric,
        invitations.survey_type,
        invitations.is_responded,
        invitations.sent_at as happened_at,
        invitations.sent_on,
        -- a customer who had left is not comparable, and one asked lately may still answer
        (lifecycles.churned_at is null or lifecycles.churned_at > invitations.sent_at)
        and {{ days_after('invitations.sent_on', 'cast(' ~ assumption('response_days') ~ ' as int)') }} <= workspace.as_of_on as is_compared,
        {{ business_date('lifecycles.signed_up_at') }} as signed_up_on,
        {{ business_date('lifecycles.churned_at') }} as churned_on,
        lifecycles.has_mrr_information,
        lifecycles.has_churn_information
    from invitations
    inner join {{ ref('int_customer_lifecycles_dated') }} as lifecycles on invitations.customer_key = lifecycles.customer_key
    cross join workspace
),

{{ money_before('asked', group + ['is_compared', 'has_mrr_information'], ['mrr_change']) }},

lifetimes as (
    select
        {{ group | join(', ') }},
        sent_on,
        churned_on,
        is_compared,
        has_churn_information,
        count(*) as invitations
    from asked
    group by {{ group | join(', ') }}, sent_on, churned_on, is_compared, has_churn_information
),

-- a value of NULL: the invitation is not compared, or the measure is unknown
measured as (
    select
        {{ group | join(', ') }},
        'mrr' as measure,
        cast(null as int) as window_days,
        has_mrr_information as is_delivered,
        -- what is too large for an exact sum stays too large: its mean is unknown
        case when is_compared and has_mrr_information then coalesce(round(mrr_change_before, 6), 1e18) end as measured_value,
        1 as invitations
    from money_before

    union all

    select
        {{ group | join(', ') }},
        'tenure_days' as measure,
        cast(null as int) as window_days,
        signed_up_on is not null as is_delivered,
        case when is_compared then cast({{ dbt.datediff('signed_up_on', 'sent_on', 'day') }} as double) end as measured_value,
        1 as invitations
    from asked

    union all

    -- a rate counts only windows that are over, so that early churners don't inflate it
    select
        {{ group | join(', ') }},
        'churn_rate' as measure,
        cast(windows.window_days as int) as window_days,
        has_churn_information as is_delivered,
        case
            when not (is_compared and has_churn_information) then null
            when {{ days_after('sent_on', 'windows.window_days') }} > workspace.as_of_on then null
            when churned_on <= {{ days_after('sent_on', 'windows.window_days') }} then 1e0
            else 0e0
        end as measured_value,
        invitations
    from lifetimes
    cross join {{ source('raw', 'churn_windows') }} as windows
    cross join workspace
),

final as (
    select
        {{ group | join(', ') }},
        measure,
        window_days,
        is_delivered,
        measured_value,
        cast(sum(invitations) as bigint) as invitations
    from measured
    group by {{ group | join(', ') }}, measure, window_days, is_delivered, measured_value
)

select * from final
