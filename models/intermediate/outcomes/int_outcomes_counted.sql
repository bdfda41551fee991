{%- set segments = segment_columns() -%}

with windows as (
    select cast(window_days as int) as window_days from {{ source('raw', 'churn_windows') }}
    union
    select cast(horizon_days as int) as window_days from {{ ref('revenue_at_risk_rates') }}
),

-- the only step that reads single anchors: all later ones read groups
grouped as (
    select
        metric,
        survey_type,
        nps_class,
        {{ segment_list() }}
        anchored_on,
        days_to_churn,
        has_churn_information,
        is_at_risk,
        count(*) as anchors
    from {{ ref('int_anchors_unioned') }}
    group by metric, survey_type, nps_class, {{ segment_list() }} anchored_on, days_to_churn, has_churn_information, is_at_risk
),

-- the longest window that ended by as_of: a rate takes complete windows only, because customers who churn
-- early in an incomplete one would inflate it
windows_observed as (
    select
        anchored.anchored_on,
        max(windows.window_days) as days_observed
    from (select distinct anchored_on from grouped) as anchored
    cross join windows
    cross join {{ source('raw', 'workspace') }} as workspace
    where {{ days_after('anchored.anchored_on', 'windows.window_days') }} <= workspace.as_of_on
    group by anchored.anchored_on
),

-- the shortest window that contains the churn
windows_churned as (
    select
        churned.days_to_churn,
        min(windows.window_days) as days_churned
    from (select distinct days_to_churn from grouped) as churned
    inner join windows on churned.days_to_churn <= windows.window_days
    group by churned.days_to_churn
),

bucketed as (
    select
        grouped.metric,
        grouped.survey_type,
        grouped.nps_class,
        {%- for segment in segments %}
        coalesce(grouped.{{ segment }}, '(unknown)') as {{ segment }},
        {%- endfor %}
        case when grouped.is_at_risk then windows_observed.days_observed end as days_observed,
        windows_churned.days_churned,
        sum(grouped.anchors) as anchors,
        sum(case when grouped.has_churn_information then grouped.anchors else 0 end) as known_anchors
    from grouped
    left join windows_observed on grouped.anchored_on = windows_observed.anchored_on
    left join windows_churned on grouped.days_to_churn = windows_churned.days_to_churn
    group by
        grouped.metric,
        grouped.survey_type,
        grouped.nps_class,
        {%- for segment in segments %}
        coalesce(grouped.{{ segment }}, '(unknown)'),
        {%- endfor %}
        case when grouped.is_at_risk then windows_observed.days_observed end,
        windows_churned.days_churned
),

counted as (
    select
        bucketed.metric,
        bucketed.survey_type,
        bucketed.nps_class,
        windows.window_days,
        {{ grouped_dimension(segments) }} as dimension,
        {{ grouped_dimension(segments, value=true) }} as segment,
        cast(sum(bucketed.known_anchors) as bigint) as known_anchors,
        cast(sum(case when bucketed.days_observed >= windows.window_days then bucketed.anchors else 0 end) as bigint) as observed,
        cast(sum(case
            when bucketed.days_observed >= windows.window_days and bucketed.days_churned <= windows.window_days then bucketed.anchors
            else 0
        end) as bigint) as churned
    from bucketed
    cross join windows
    group by grouping sets (
        (bucketed.metric, bucketed.survey_type, bucketed.nps_class, windows.window_days)
        {%- for segment in segments %},
        (bucketed.metric, bucketed.survey_type, bucketed.nps_class, windows.window_days, {{ segment }})
        {%- endfor %}
    )
)

select * from counted
