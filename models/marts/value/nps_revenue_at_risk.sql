-- employees pay nothing
with metrics as (
    select metric from {{ ref('metrics') }}
    where population = 'customers'
),

-- one figure for the whole business, as in Promoter.io's calculator
average as (
    select revenue_per_customer from {{ ref('int_customer_values_averaged') }}
),

figures as (
    select
        churn_outcomes.metric,
        churn_outcomes.survey_type,
        rates.figure,
        rates.nps_class,
        rates.horizon_days,
        rates.evidence,
        churn_outcomes.dimension,
        churn_outcomes.segment,
        coalesce(class_values.staying_customers, 0) as customers,
        coalesce(class_values.priced_customers, 0) as priced_customers,
        rates.rate as assumed_rate,
        average.revenue_per_customer,
        12 * case when class_values.priced_customers > 0 then class_values.active_mrr end as annual_revenue,
        case when rates.evidence = 'churn' then churn_outcomes.known_anchors else coalesce(referral_outcomes.known_anchors, 0) end as known_anchors,
        case when rates.evidence = 'churn' then churn_outcomes.observed else coalesce(referral_outcomes.observed, 0) end as observed,
        case when rates.evidence = 'churn' then churn_outcomes.churned else referral_outcomes.referrals end as happened,
        workspace.min_group_size,
        -- where no MRR is known there is no amount to suppress
        coalesce(class_values.priced_customers > 0 and class_values.priced_customers < workspace.min_group_size, false) as is_suppressed,
        {{ assumption('confidence_z') }} as z
    from {{ ref('int_outcomes_counted') }} as churn_outcomes
    inner join metrics on churn_outcomes.metric = metrics.metric
    inner join {{ ref('revenue_at_risk_rates') }} as rates on churn_outcomes.nps_class = rates.nps_class and churn_outcomes.window_days = rates.horizon_days
    cross join {{ source('raw', 'workspace') }} as workspace
    cross join average
    left join {{ ref('int_class_values_summed') }} as class_values
        on
            churn_outcomes.metric = class_values.metric
            and churn_outcomes.survey_type = class_values.survey_type
            and churn_outcomes.nps_class = class_values.nps_class
            and churn_outcomes.dimension = class_values.dimension
            and churn_outcomes.segment = class_values.segment
            and class_values.class_of = 'latest'
    left join {{ ref('int_referral_outcomes_counted') }} as referral_outcomes
        on
            churn_outcomes.metric = referral_outcomes.metric
            and churn_outcomes.survey_type = referral_outcomes.survey_type
            and churn_outcomes.nps_class = referral_outcomes.nps_class
            and churn_outcomes.window_days = referral_outcomes.horizon_days
            and churn_outcomes.dimension = referral_outcomes.dimension
            and churn_outcomes.segment = referral_outcomes.segment
    where churn_outcomes.basis = 'customers'
),

valued as (
    select
        *,
        -- both amounts are of the same customers: those whose MRR is known
        case
            when not is_suppressed and priced_customers > 0
                then priced_customers * assumed_rate * revenue_per_customer
        end as assumed_amount,
        case when observed >= min_group_size then 1e0 * happened / nullif(observed, 0) end as observed_rate
    from figures
),

final as (
    select
        metric,
        survey_type,
        figure,
        nps_class,
        cast(horizon_days as int) as horizon_days,
        dimension,
        segment,
        cast(customers as bigint) as customers,
        cast(priced_customers as bigint) as priced_customers,
        assumed_rate,
        case when not is_suppressed then round(revenue_per_customer, 6) end as revenue_per_customer,
        round(assumed_amount, 6) as assumed_amount,
        case when not is_suppressed then round(annual_revenue, 6) end as annual_revenue,
        observed,
        observed_rate,
        case when evidence = 'churn' and observed_rate is not null then {{ share_bound(-1, 'happened', 'observed', 'z') }} end as rate_ci_low,
        case when evidence = 'churn' and observed_rate is not null then {{ share_bound(1, 'happened', 'observed', 'z') }} end as rate_ci_high,
        case when not is_suppressed then round(annual_revenue * observed_rate, 6) end as evidence_amount,
        case when not is_suppressed then round(annual_revenue * observed_rate - assumed_amount, 6) end as difference,
        is_suppressed,
        case
            when is_suppressed then 'too_few'
            when priced_customers = 0 then 'no_mrr'
            when revenue_per_customer is null or annual_revenue is null then 'too_large'
            when known_anchors = 0 and evidence = 'churn' then 'no_churn_information'
            when known_anchors = 0 then 'no_referrals'
            when observed = 0 then 'no_window_is_over'
            when observed_rate is null then 'too_few'
        end as unknown_because
    from valued
)

select * from final
