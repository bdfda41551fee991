{%- set segments = segment_columns() -%}

with horizons as (
    select distinct
        nps_class,
        cast(horizon_days as int) as horizon_days
    from {{ ref('revenue_at_risk_rates') }}
    where evidence = 'referral'
),

workspace as (
    select * from {{ source('raw', 'workspace') }}
),

-- referrals that won a customer
referrals as (
    select
        referrals.referrer_customer_key as customer_key,
        {{ business_date('referrals.referred_at') }} as referred_on
    from {{ ref('int_referrals_versioned') }} as referrals
    cross join workspace
    where referrals.row_status = 'accepted' and referrals.converted_at < workspace.as_of_at
),

followed as (
    select
        anchors.metric,
        anchors.survey_type,
        anchors.nps_class,
        {{ segment_list('anchors.') }}
        anchors.customer_key,
        anchors.anchor_key,
        anchors.anchored_on,
        horizons.horizon_days,
        {{ days_after('anchors.anchored_on', 'horizons.horizon_days') }} as ends_on
    from {{ ref('int_first_anchors_chosen') }} as anchors
    inner join horizons on anchors.nps_class = horizons.nps_class
    inner join {{ ref('dim_customers') }} as customers on anchors.customer_key = customers.customer_key
    -- elsewhere an unreported referral does not mean that there was none
    inner join {{ ref('int_customer_sources_described') }} as sources
        on customers.source = sources.customer_source and sources.has_referrals
    cross join workspace
    where anchors.anchored_on <= workspace.as_of_on
),

referred as (
    select
        followed.anchor_key,
        followed.nps_class,
        followed.horizon_days,
        count(*) as referrals
    from followed
    inner join referrals
        on
            followed.customer_key = referrals.customer_key
            and followed.anchored_on < referrals.referred_on
            and followed.ends_on >= referrals.referred_on
    group by followed.anchor_key, followed.nps_class, followed.horizon_days
),

observed as (
    select
        followed.metric,
        followed.survey_type,
        followed.nps_class,
        followed.horizon_days,
        {%- for segment in segments %}
        coalesce(followed.{{ segment }}, '(unknown)') as {{ segment }},
        {%- endfor %}
        case when followed.ends_on <= workspace.as_of_on then 1 else 0 end as is_observed,
        case when followed.ends_on <= workspace.as_of_on then coalesce(referred.referrals, 0) else 0 end as referrals
    from followed
    cross join workspace
    left join referred
        on
            followed.anchor_key = referred.anchor_key
            and followed.nps_class = referred.nps_class
            and followed.horizon_days = referred.horizon_days
),

counted as (
    select
        observed.metric,
        observed.survey_type,
        observed.nps_class,
        observed.horizon_days,
        {{ grouped_dimension(segments) }} as dimension,
        {{ grouped_dimension(segments, value=true) }} as segment,
        count(*) as known_anchors,
        cast(sum(observed.is_observed) as bigint) as observed,
        cast(sum(observed.referrals) as bigint) as referrals
    from observed
    group by grouping sets (
        (observed.metric, observed.survey_type, observed.nps_class, observed.horizon_days)
        {%- for segment in segments %},
        (observed.metric, observed.survey_type, observed.nps_class, observed.horizon_days, {{ segment }})
        {%- endfor %}
    )
)

select * from counted
