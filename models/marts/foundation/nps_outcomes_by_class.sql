with rated as (
    select
        outcomes.metric,
        outcomes.survey_type,
        outcomes.nps_class,
        outcomes.window_days,
        outcomes.dimension,
        outcomes.segment,
        coalesce(class_values.customers, 0) as customers,
        outcomes.observed,
        outcomes.churned,
        1e0 * outcomes.churned / nullif(outcomes.observed, 0) as rate,
        round(class_values.active_mrr, 6) as active_mrr,
        round(class_values.realised_ltv, 6) as realised_ltv,
        outcomes.observed < workspace.min_group_size as is_suppressed,
        {{ assumption('confidence_z') }} as z,
        {{ assumption('gross_margin') }} as gross_margin,
        {{ assumption('discount_rate') }} as discount_rate,
        {{ assumption('max_lifetime_years') }} as max_lifetime_years
    from {{ ref('int_outcomes_counted') }} as outcomes
    inner join {{ source('raw', 'churn_windows') }} as windows on outcomes.window_days = windows.window_days
    cross join {{ source('raw', 'workspace') }} as workspace
    left join {{ ref('int_class_values_summed') }} as class_values
        on
            outcomes.metric = class_values.metric
            and outcomes.survey_type = class_values.survey_type
            and outcomes.nps_class = class_values.nps_class
            and outcomes.dimension = class_values.dimension
            and outcomes.segment = class_values.segment
),

-- the expected lifetime is 1 / churn (5 % a year: 20 years), limited to the assumed maximum
projected as (
    select
        *,
        least(max_lifetime_years, coalesce(window_days / 365e0 / nullif(rate, 0), max_lifetime_years)) as lifetime_years
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
    from projected
)

select * from final
