with windows as (
    select window_days from {{ source('raw', 'churn_windows') }}
),

workspace as (
    select * from {{ source('raw', 'workspace') }}
),

{{ anchor_outcomes() }},

{{ count_outcomes('windows') }},

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
