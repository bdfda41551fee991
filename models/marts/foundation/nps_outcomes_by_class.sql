{%- set segments = segment_columns() -%}

with churn as (
    select * from {{ ref('fct_nps_churn') }}
),

silences as (
    select * from {{ ref('int_invitations_unanswered') }}
),

windows as (
    select window_days from {{ source('raw', 'churn_windows') }}
),

workspace as (
    select * from {{ source('raw', 'workspace') }}
),

customer_values as (
    select * from {{ ref('int_customer_values_summed') }}
),

lifecycles as (
    select * from {{ ref('int_customer_lifecycles_dated') }}
),

-- answers and unanswered invitations: the moments from which a window runs
anchors as (
    select
        customer_key,
        metric,
        survey_type,
        nps_class,
        {{ segment_list() }}
        responded_on as anchored_on,
        response_key as anchor_key,
        days_to_churn,
        has_churn_information and was_active_at_answer as is_at_risk
    from churn

    union all

    select
        customer_key,
        metric,
        survey_type,
        'no_response' as nps_class,
        {{ segment_list() }}
        sent_on as anchored_on,
        invitation_key as anchor_key,
        days_to_churn,
        has_churn_information and was_active_when_sent as is_at_risk
    from silences
),

-- one customer, one voice where money is added up: a customer counts in the class of the latest
-- answer, and as silent only if there was none
latest as (
    select
        responses.response_key,
        row_number() over (
            partition by responses.customer_key, responses.metric, responses.survey_type
            order by {{ latest_first('responses') }}
        ) as age
    from {{ ref('int_responses_identified') }} as responses
    where responses.customer_key is not null
),

placed as (
    select
        anchors.*,
        row_number() over (
            partition by anchors.customer_key, anchors.metric, anchors.survey_type
            order by
                case when latest.age is null then 1 else 0 end asc,
                latest.age asc,
                anchors.anchored_on desc,
                anchors.anchor_key asc
        ) = 1 as is_place
    from anchors
    left join latest on anchors.anchor_key = latest.response_key
),

windowed as (
    select
        placed.metric,
        placed.survey_type,
        placed.nps_class,
        {%- for segment in segments %}
        coalesce(placed.{{ segment }}, '(unknown)') as {{ segment }},
        {%- endfor %}
        windows.window_days,
        case when placed.is_place then 1 else 0 end as customers,
        -- a rate takes only windows that are over, so that early churners don't inflate it
        case
            when placed.is_at_risk and {{ days_after('placed.anchored_on', 'windows.window_days') }} <= workspace.as_of_on then 1
            else 0
        end as observed,
        case
            when
                placed.is_at_risk
                and {{ days_after('placed.anchored_on', 'windows.window_days') }} <= workspace.as_of_on
                and placed.days_to_churn <= windows.window_days
                then 1
            else 0
        end as churned,
        case
            when placed.is_place and lifecycles.has_mrr_information then coalesce(customer_values.mrr, 0)
        end as active_mrr,
        case
            when placed.is_place and lifecycles.has_revenue_information then coalesce(customer_values.realised_ltv, 0)
        end as realised_ltv,
        lifecycles.has_churn_information
    from placed
    cross join windows
    cross join workspace
    left join customer_values on placed.customer_key = customer_values.customer_key
    left join lifecycles on placed.customer_key = lifecycles.customer_key
),

counted as (
    select
        metric,
        survey_type,
        nps_class,
        window_days,
        {{ grouped_dimension(segments) }} as dimension,
        {{ grouped_dimension(segments, value=true) }} as segment,
        cast(sum(customers) as bigint) as customers,
        cast(sum(observed) as bigint) as observed,
        cast(sum(churned) as bigint) as churned,
        round(sum(active_mrr), 6) as active_mrr,
        round(sum(realised_ltv), 6) as realised_ltv
    from windowed
    group by grouping sets (
        (metric, survey_type, nps_class, window_days)
        {%- for segment in segments %},
        (metric, survey_type, nps_class, window_days, {{ segment }})
        {%- endfor %}
    )
),

rated as (
    select
        counted.*,
        counted.observed < workspace.min_group_size as is_suppressed,
        1.0 * counted.churned / nullif(counted.observed, 0) as rate,
        {{ assumption('confidence_z') }} as z,
        {{ assumption('gross_margin') }} as gross_margin,
        {{ assumption('discount_rate') }} as discount_rate,
        {{ assumption('max_lifetime_years') }} as max_lifetime_years
    from counted
    cross join workspace
),

-- expected lifetime is 1 / churn (5 % a year: 20 years), no longer than believed
lasting as (
    select
        *,
        least(max_lifetime_years, coalesce(window_days / 365.0 / nullif(rate, 0), max_lifetime_years)) as lifetime_years
    from rated
),

final as (
    select
        metric,
        survey_type,
        nps_class,
        window_days,
        dimension,
        segment,
        customers,
        observed,
        churned,
        case when not is_suppressed then rate end as churn_rate,
        case when not is_suppressed then {{ share_standard_error('churned', 'observed') }} end as standard_error,
        case when not is_suppressed then {{ share_bound(-1, 'churned', 'observed', 'z') }} end as ci_low,
        case when not is_suppressed then {{ share_bound(1, 'churned', 'observed', 'z') }} end as ci_high,
        active_mrr,
        realised_ltv,
        case
            when not is_suppressed
                then round(gross_margin * active_mrr * 12 * {{ annuity('lifetime_years', 'discount_rate') }}, 6)
        end as projected_ltv,
        is_suppressed
    from lasting
)

select * from final
