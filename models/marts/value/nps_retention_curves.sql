{%- set curve = 'basis, metric, survey_type, dimension, segment, nps_class' -%}

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
        -- at an estimate of 1 or 0 the interval has no width: its bounds are the estimate
        case when not running.is_over and running.log_retention < 0 then running.log_retention end as log_estimate,
        {{ assumption('confidence_z') }} * sqrt(running.greenwood) as deviation
    from running
    cross join {{ source('raw', 'workspace') }} as workspace
),

final as (
    select
        basis,
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
        case when not is_suppressed and not is_over then round(estimate * sqrt(greenwood), 12) end as standard_error,
        case
            when not is_suppressed
                then round(coalesce(exp(-exp(ln(-log_estimate) - deviation / log_estimate)), estimate), 12)
        end as ci_low,
        case
            when not is_suppressed
                then round(coalesce(exp(-exp(ln(-log_estimate) + deviation / log_estimate)), estimate), 12)
        end as ci_high,
        is_suppressed
    from estimated
)

select * from final
