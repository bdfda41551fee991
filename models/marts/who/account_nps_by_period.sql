{%- set counts = ['top', 'middle', 'bottom'] -%}
{%- set priors = {'top_prior': 'top_prior', 'middle_prior': 'middle_prior', 'bottom_prior': 'bottom_prior'} -%}

with effective as (
    select
        summed.*,
        summed.accounts < workspace.min_group_size as is_suppressed,
        power(summed.weights, 2) / summed.squared_weights as effective_accounts,
        summed.marks / summed.weights as mean,
        summed.squared_marks / summed.weights as mean_square,
        metrics.z,
        metrics.top_prior,
        metrics.middle_prior,
        metrics.bottom_prior
    from {{ ref('int_account_periods_summed') }} as summed
    cross join {{ source('raw', 'workspace') }} as workspace
    inner join (select *, {{ assumption('confidence_z') }} as z from {{ ref('metrics') }}) as metrics on summed.metric = metrics.metric
),

-- as many answers of +100, 0 and -100 as have the mean and the mean square of the accounts' voices
moments as (
    select
        *,
        effective_accounts * (mean_square + mean) / 2e0 as top,
        effective_accounts * (1e0 - mean_square) as middle,
        effective_accounts * (mean_square - mean) / 2e0 as bottom
    from effective
),

final as (
    select
        time_grain,
        period_start,
        period_end,
        basis,
        metric,
        survey_type,
        known_accounts,
        accounts,
        known_accounts - answered_accounts as silent_accounts,
        1e0 * answered_accounts / known_accounts as account_coverage,
        round(known_arr, 6) as known_arr,
        round(answered_arr, 6) as answered_arr,
        answered_arr / known_arr as revenue_coverage,
        promoters + passives + detractors as responses,
        promoters,
        passives,
        detractors,
        case when not is_suppressed then effective_accounts end as effective_accounts,
        case when not is_suppressed then 100 * mean end as nps,
        case
            when is_suppressed then null
            when is_varied then 100 * sqrt(greatest(0e0, mean_square - power(mean, 2)) / effective_accounts)
            -- voices that all say the same have no spread, which is no certainty
            else {{ nps_standard_error('(top + top_prior)', '(middle + middle_prior)', '(bottom + bottom_prior)') }}
        end as standard_error,
        case when not is_suppressed then {{ nps_bound(-1, *counts, z='z', **priors) }} end as ci_low,
        case when not is_suppressed then {{ nps_bound(1, *counts, z='z', **priors) }} end as ci_high,
        is_suppressed
    from moments
)

select * from final
