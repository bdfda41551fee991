{%- set curve = 'basis, followed_from, metric, survey_type, dimension, segment, nps_class' -%}

-- product and Greenwood's sum, as running sums. On the day on which all remaining records churn, which is
-- always the curve's last, the product is 0 and the sum infinite
with running as (
    select
        *,
        max(at_risk) over (partition by {{ curve }}) as records,
        churned = at_risk as is_over,
        {{ exact_sum('case when churned < at_risk then ln(1e0 * (at_risk - churned) / at_risk) end', 'over so_far', 'decimal(38, 24)') }} as log_retention,
        {{ exact_sum('case when churned < at_risk then churned / (1e0 * at_risk * (at_risk - churned)) end', 'over so_far', 'decimal(38, 24)') }} as greenwood
    from {{ ref('int_retention_days_counted') }}
    where followed_from = 'answer' or nps_class = 'no_response' or (nps_class = 'answered_other' and basis = 'responses')
    window so_far as (
        partition by {{ curve }} order by days asc nulls last
        rows between unbounded preceding and current row
    )
),

estimated as (
    select
        running.*,
        running.records < workspace.min_group_size as is_suppressed,
        case when running.is_over then 0e0 else exp(running.log_retention) end as estimate,
        case when not running.is_over and running.log_retention < 0 then running.log_retention end as log_estimate,
        case when running.log_retention < 0 or running.is_over then sqrt(running.greenwood) end as relative_error,
        {{ assumption('confidence_z') }} as z
    from running
    cross join {{ source('raw', 'workspace') }} as workspace
),

-- where nobody or everybody has left, Greenwood's error is 0 or infinite: exact bounds by the records at risk
bounded as (
    select
        *,
        case
            when is_over then 0e0
            when log_estimate is null then {{ unanimous_bound('at_risk', 'z') }}
            else exp(-exp(ln(-log_estimate) - z * relative_error / log_estimate))
        end as lower_bound,
        case
            when is_over then 1e0 - {{ unanimous_bound('at_risk', 'z') }}
            when log_estimate is null then 1e0
            else exp(-exp(ln(-log_estimate) + z * relative_error / log_estimate))
        end as upper_bound
    from estimated
),

final as (
    select
        basis,
        followed_from,
        metric,
        survey_type,
        dimension,
        segment,
        nps_class,
        days,
        at_risk,
        churned,
        censored,
        case when not is_suppressed then round(estimate, 12) end as retention,
        case when not is_suppressed and log_estimate is not null then round(estimate * relative_error, 12) end as standard_error,
        case when not is_suppressed then round(lower_bound, 12) end as ci_low,
        -- retention never rises, so neither does its last upper bound
        case
            when not is_suppressed and is_over
                then round(least(upper_bound, coalesce(lag(upper_bound) over (partition by {{ curve }} order by days asc nulls last), 1e0)), 12)
            when not is_suppressed then round(upper_bound, 12)
        end as ci_high,
        at_risk < {{ assumption('min_at_risk') }} as is_few_at_risk,
        is_suppressed
    from bounded
)

select * from final
