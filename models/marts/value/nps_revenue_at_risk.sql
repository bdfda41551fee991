{%- set segments = segment_columns() -%}

with rates as (
    select * from {{ ref('revenue_at_risk_rates') }}
),

-- the windows of the evidence are the rates' own, whatever churn_windows says
windows as (
    select distinct horizon_days as window_days from rates
),

-- employees pay nothing
metrics as (
    select metric from {{ ref('metrics') }}
    where population = 'customers'
),

workspace as (
    select * from {{ source('raw', 'workspace') }}
),

lifecycles as (
    select * from {{ ref('int_customer_lifecycles_dated') }}
),

customer_values as (
    select * from {{ ref('int_customer_values_summed') }}
),

-- within which the referrals of which class are looked for
referral_horizons as (
    select distinct
        nps_class,
        horizon_days
    from rates
    where evidence = 'referral'
),

-- whose referrals would be known, had they made any
referral_sources as (
    select distinct customer_source
    from {{ source('raw', 'mapped_columns') }}
    where entity = 'referrals'
),

referral_customers as (
    select customers.customer_key
    from {{ ref('dim_customers') }} as customers
    inner join referral_sources on customers.source = referral_sources.customer_source
),

-- referrals that won a customer, by the one who made them
referrals as (
    select
        referrals.referrer_customer_key as customer_key,
        {{ business_date('referrals.referred_at', 'workspace.timezone') }} as referred_on
    from {{ ref('int_referrals_versioned') }} as referrals
    cross join workspace
    where referrals.row_status = 'accepted' and referrals.converted_at < workspace.as_of_at
),

{{ anchor_outcomes() }},

{{ count_outcomes('windows') }},

-- what an active customer pays a year: one figure for the whole business, as the calculator has it
average as (
    select 12 * {{ exact_sum('coalesce(customer_values.mrr, 0)') }} / nullif(count(*), 0) as revenue_per_customer
    from lifecycles
    cross join workspace
    left join customer_values on lifecycles.customer_key = customer_values.customer_key
    where
        lifecycles.has_mrr_information
        and (lifecycles.churned_at is null or lifecycles.churned_at >= workspace.as_of_at)
),

-- who can still leave, or bring others, in the class of the latest answer
staying as (
    select
        placed.metric,
        placed.survey_type,
        placed.nps_class,
        {%- for segment in segments %}
        coalesce(placed.{{ segment }}, '(unknown)') as {{ segment }},
        {%- endfor %}
        case when lifecycles.has_mrr_information then coalesce(customer_values.mrr, 0) end as mrr
    from placed
    cross join workspace
    left join lifecycles on placed.customer_key = lifecycles.customer_key
    left join customer_values on placed.customer_key = customer_values.customer_key
    where lifecycles.churned_at is null or lifecycles.churned_at >= workspace.as_of_at
),

held as (
    select
        metric,
        survey_type,
        nps_class,
        {{ grouped_dimension(segments) }} as dimension,
        {{ grouped_dimension(segments, value=true) }} as segment,
        count(*) as customers,
        count(mrr) as priced_customers,
        12 * {{ exact_sum('mrr') }} as annual_revenue
    from staying
    group by grouping sets (
        (metric, survey_type, nps_class)
        {%- for segment in segments %},
        (metric, survey_type, nps_class, {{ segment }})
        {%- endfor %}
    )
),

-- answers of the classes that are expected to refer
promising as (
    select
        anchors.*,
        referral_horizons.horizon_days,
        {{ days_after('anchors.anchored_on', 'referral_horizons.horizon_days') }} as ends_on
    from anchors
    inner join referral_customers on anchors.customer_key = referral_customers.customer_key
    inner join referral_horizons on anchors.nps_class = referral_horizons.nps_class
),

kept as (
    select
        promising.anchor_key,
        promising.nps_class,
        promising.horizon_days,
        count(*) as referrals
    from promising
    inner join referrals
        on
            promising.customer_key = referrals.customer_key
            and promising.anchored_on < referrals.referred_on
            and promising.ends_on >= referrals.referred_on
    group by promising.anchor_key, promising.nps_class, promising.horizon_days
),

referring as (
    select
        promising.metric,
        promising.survey_type,
        promising.nps_class,
        promising.horizon_days,
        {%- for segment in segments %}
        coalesce(promising.{{ segment }}, '(unknown)') as {{ segment }},
        {%- endfor %}
        case when promising.ends_on <= workspace.as_of_on then 1 else 0 end as observed,
        case when promising.ends_on <= workspace.as_of_on then coalesce(kept.referrals, 0) else 0 end as referrals
    from promising
    cross join workspace
    left join kept
        on
            promising.anchor_key = kept.anchor_key
            and promising.nps_class = kept.nps_class
            and promising.horizon_days = kept.horizon_days
),

referred as (
    select
        metric,
        survey_type,
        nps_class,
        horizon_days,
        {{ grouped_dimension(segments) }} as dimension,
        {{ grouped_dimension(segments, value=true) }} as segment,
        count(*) as informed,
        sum(observed) as observed,
        sum(referrals) as referrals
    from referring
    group by grouping sets (
        (metric, survey_type, nps_class, horizon_days)
        {%- for segment in segments %},
        (metric, survey_type, nps_class, horizon_days, {{ segment }})
        {%- endfor %}
    )
),

figures as (
    select
        counted.metric,
        counted.survey_type,
        rates.figure,
        rates.nps_class,
        rates.horizon_days,
        rates.evidence,
        counted.dimension,
        counted.segment,
        coalesce(held.customers, 0) as customers,
        coalesce(held.priced_customers, 0) as priced_customers,
        rates.rate as assumed_rate,
        average.revenue_per_customer,
        held.annual_revenue,
        case when rates.evidence = 'churn' then counted.informed else coalesce(referred.informed, 0) end as informed,
        case when rates.evidence = 'churn' then counted.observed else coalesce(referred.observed, 0) end as observed,
        case when rates.evidence = 'churn' then counted.churned else referred.referrals end as happened,
        workspace.min_group_size,
        -- where nobody's MRR is known there is no amount to hide
        coalesce(held.priced_customers > 0 and held.priced_customers < workspace.min_group_size, false) as is_suppressed,
        {{ assumption('confidence_z') }} as z
    from counted
    inner join metrics on counted.metric = metrics.metric
    inner join rates on counted.nps_class = rates.nps_class and counted.window_days = rates.horizon_days
    cross join workspace
    cross join average
    left join held
        on
            counted.metric = held.metric
            and counted.survey_type = held.survey_type
            and counted.nps_class = held.nps_class
            and counted.dimension = held.dimension
            and counted.segment = held.segment
    left join referred
        on
            counted.metric = referred.metric
            and counted.survey_type = referred.survey_type
            and counted.nps_class = referred.nps_class
            and counted.window_days = referred.horizon_days
            and counted.dimension = referred.dimension
            and counted.segment = referred.segment
),

valued as (
    select
        *,
        -- the same customers on both sides: those whose MRR is known
        case
            when not is_suppressed and priced_customers > 0
                then priced_customers * assumed_rate * revenue_per_customer
        end as assumed_amount,
        case when observed >= min_group_size then 1.0 * happened / nullif(observed, 0) end as observed_rate
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
        cast(observed as bigint) as observed,
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
            when informed = 0 and evidence = 'churn' then 'no_churn_information'
            when informed = 0 then 'no_referrals'
            when observed = 0 then 'no_window_is_over'
            when observed_rate is null then 'too_few'
        end as unknown_because
    from valued
)

select * from final
