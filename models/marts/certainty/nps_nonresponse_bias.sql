-- Customers who answered their first invitation beside those who kept silent, as both were when they were asked.
with pairs as (
    select
        metric,
        survey_type,
        measure,
        window_days,
        max(case when is_delivered then 1 else 0 end) = 1 as is_delivered,
        cast(sum(case when is_answered then customers else 0 end) as bigint) as responders,
        cast(sum(case when is_answered then 0 else customers end) as bigint) as silent,
        cast(sum(excluded_customers) as bigint) as excluded,
        max(case when is_answered then mean end) as raw_responder_mean,
        max(case when not is_answered then mean end) as raw_silent_mean,
        max(case when is_answered then tested_mean end) - max(case when not is_answered then tested_mean end) as tested_difference,
        max(case when is_answered then variance_of_mean end) as responder_variance,
        max(case when not is_answered then variance_of_mean end) as silent_variance
    from {{ ref('int_invitation_groups_averaged') }}
    group by metric, survey_type, measure, window_days
),

judged as (
    select
        pairs.*,
        pairs.responders < workspace.min_group_size or pairs.silent < workspace.min_group_size as is_suppressed,
        case
            when not pairs.is_delivered and pairs.measure = 'mrr' then 'no_mrr'
            when not pairs.is_delivered and pairs.measure = 'tenure_days' then 'no_sign_up_dates'
            when not pairs.is_delivered and pairs.measure = 'churn_rate' then 'no_churn_information'
            when pairs.measure = 'churn_rate' and pairs.responders + pairs.silent = 0 then 'no_window_is_over'
            when pairs.responders < workspace.min_group_size or pairs.silent < workspace.min_group_size then 'too_few'
            -- a group of one has a mean and no spread; a share of one is adjusted
            when pairs.measure <> 'churn_rate' and (pairs.responders <= 1 or pairs.silent <= 1) then 'too_few'
            -- larger than what a sum holds exactly
            when pairs.responder_variance is null or pairs.silent_variance is null then 'too_large'
        end as unknown_because
    from pairs
    cross join {{ source('raw', 'workspace') }} as workspace
),

compared as (
    select
        *,
        case when unknown_because is null then raw_responder_mean - raw_silent_mean end as difference,
        case when unknown_because is null then sqrt(responder_variance + silent_variance) end as standard_error
    from judged
),

-- Welch 1947, the degrees of freedom by Satterthwaite 1946; shares have the normal distribution
standardised as (
    select
        *,
        {{ assumption('confidence_z') }} as confidence_z,
        tested_difference / nullif(standard_error, 0) as z,
        case
            when measure <> 'churn_rate' and standard_error > 0
                then
                    power(responder_variance + silent_variance, 2)
                    / (power(responder_variance, 2) / nullif(responders - 1, 0) + power(silent_variance, 2) / nullif(silent - 1, 0))
        end as degrees_of_freedom
    from compared
),

deviated as (
    select
        *,
        nullif(standard_error, 0)
        * case when measure = 'churn_rate' then confidence_z else {{ t_quantile('confidence_z', 'degrees_of_freedom') }} end as half_width,
        case when measure = 'churn_rate' then z else {{ t_as_normal('z', 'degrees_of_freedom') }} end as deviate
    from standardised
),

tested as (
    select
        *,
        {{ two_sided_p('deviate') }} as p_value
    from deviated
),

{{ benjamini_hochberg('tested', 'p_value', ['metric', 'survey_type']) }},

final as (
    select
        metric,
        survey_type,
        measure,
        window_days,
        responders,
        silent,
        excluded,
        case when unknown_because is null then raw_responder_mean end as responder_mean,
        case when unknown_because is null then raw_silent_mean end as silent_mean,
        difference,
        standard_error,
        case when measure = 'churn_rate' and tested_difference - half_width < -1 then -1e0 else tested_difference - half_width end as ci_low,
        case when measure = 'churn_rate' and tested_difference + half_width > 1 then 1e0 else tested_difference + half_width end as ci_high,
        z,
        degrees_of_freedom,
        p_value,
        comparisons,
        p_adjusted,
        p_adjusted <= {{ assumption('significance_level') }} as is_significant,
        is_suppressed,
        unknown_because
    from adjusted
)

select * from final
