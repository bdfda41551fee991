{%- set cell = ['metric', 'survey_type', 'nps_class', 'dimension', 'segment'] -%}

with assumed as (
    select
        min_group_size,
        {{ assumption('confidence_z') }} as z,
        {{ assumption('gross_margin') }} as gross_margin,
        {{ assumption('discount_rate') }} as discount_rate,
        {{ assumption('max_lifetime_years') }} as max_lifetime_years,
        {{ assumption('ltv_window_days') }} as assumed_window_days,
        {{ assumption('min_churned') }} as min_churned
    from {{ source('raw', 'workspace') }}
),

outcomes as (
    select counted.*
    from {{ ref('int_outcomes_counted') }} as counted
    inner join {{ source('raw', 'churn_windows') }} as windows on counted.window_days = windows.window_days
),

-- one window a cell: that of the assumption, else the longest that is observed
ltv_windows as (
    select
        outcomes.*,
        row_number() over (
            partition by {% for column in cell %}outcomes.{{ column }}{{ ', ' if not loop.last }}{% endfor %}
            order by outcomes.window_days = assumed.assumed_window_days desc nulls last, outcomes.window_days desc nulls last
        ) as turn
    from outcomes
    cross join assumed
    where outcomes.basis = 'customers' and outcomes.observed >= assumed.min_group_size and outcomes.observed > 0
),

rated as (
    select
        outcomes.*,
        assumed.*,
        coalesce(class_values.customers, 0) as customers,
        1e0 * outcomes.churned / nullif(outcomes.observed, 0) as rate,
        class_values.active_mrr,
        class_values.realised_ltv,
        outcomes.observed < assumed.min_group_size as is_suppressed,
        ltv_windows.window_days as projected_from_days,
        ltv_windows.observed as ltv_observed,
        ltv_windows.churned as ltv_churned,
        1e0 * ltv_windows.churned / ltv_windows.observed as ltv_rate,
        {{ share_bound(-1, 'ltv_windows.churned', 'ltv_windows.observed', 'assumed.z') }} as ltv_rate_low,
        {{ share_bound(1, 'ltv_windows.churned', 'ltv_windows.observed', 'assumed.z') }} as ltv_rate_high,
        case
            when outcomes.basis <> 'customers' then 'counts_answers'
            when class_values.active_mrr is null and class_values.priced_customers > 0 then 'too_large'
            when class_values.active_mrr is null then 'no_mrr'
            when outcomes.known_anchors = 0 then 'no_churn_information'
            when ltv_windows.observed is null and max(outcomes.observed) over any_window = 0 then 'no_window_is_over'
            when ltv_windows.observed is null then 'too_few'
            when ltv_windows.churned < assumed.min_churned then 'too_few_churned'
        end as unknown_because
    from outcomes
    cross join assumed
    left join {{ ref('int_class_values_summed') }} as class_values
        on {% for column in cell %}outcomes.{{ column }} = class_values.{{ column }} and {% endfor %}class_values.class_of = 'first'
    left join ltv_windows
        on {% for column in cell %}outcomes.{{ column }} = ltv_windows.{{ column }} and {% endfor %}ltv_windows.turn = 1
    window any_window as (
        partition by outcomes.basis, {% for column in cell %}outcomes.{{ column }}{{ ', ' if not loop.last }}{% endfor %}
    )
),

valued as (
    select
        *,
        case when unknown_because is null then gross_margin * active_mrr * 12 end as annual_margin,
        projected_from_days / 365e0 as years
    from rated
),

final as (
    select
        basis,
        metric,
        survey_type,
        nps_class,
        cast(window_days as int) as window_days,
        dimension,
        segment,
        customers,
        observed,
        churned,
        case when not is_suppressed then rate end as churn_rate,
        case when not is_suppressed then {{ share_standard_error('churned', 'observed', 'z') }} end as standard_error,
        case when not is_suppressed then {{ share_bound(-1, 'churned', 'observed', 'z') }} end as ci_low,
        case when not is_suppressed then {{ share_bound(1, 'churned', 'observed', 'z') }} end as ci_high,
        round(active_mrr, 6) as active_mrr,
        round(realised_ltv, 6) as realised_ltv,
        case when unknown_because is null then cast(projected_from_days as int) end as ltv_window_days,
        round(annual_margin * {{ discounted_lifetime('ltv_rate', 'years', 'discount_rate', 'max_lifetime_years') }}, 6) as projected_ltv,
        round(annual_margin * {{ discounted_lifetime('ltv_rate_high', 'years', 'discount_rate', 'max_lifetime_years') }}, 6) as projected_ltv_low,
        round(annual_margin * {{ discounted_lifetime('ltv_rate_low', 'years', 'discount_rate', 'max_lifetime_years') }}, 6) as projected_ltv_high,
        is_suppressed,
        unknown_because
    from valued
)

select * from final
