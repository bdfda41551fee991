{%- set segments = segment_columns() -%}

with windows as (
    select cast(window_days as int) as window_days from {{ source('raw', 'churn_windows') }}
    union
    select cast(horizon_days as int) as window_days from {{ ref('revenue_at_risk_rates') }}
),

-- the only step that reads single anchors: all later ones read groups; who was asked lately may still answer
grouped as (
    {%- for relation, anchors, customers in [('int_anchors_unioned', 'count(*)', '0'), ('int_first_anchors_chosen', '0', 'count(*)')] %}
    select
        metric,
        survey_type,
        nps_class,
        {{ segment_list() }}
        anchored_on,
        days_to_churn,
        has_churn_information,
        may_be_active,
        {{ anchors }} as responses,
        {{ customers }} as customers
    from {{ ref(relation) }}
    where anchored_on <= (select as_of_on from {{ source('raw', 'workspace') }})
    group by metric, survey_type, nps_class, {{ segment_list() }} anchored_on, days_to_churn, has_churn_information, may_be_active
    {%- if loop.first %}

    union all
    {% endif %}
    {%- endfor %}
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
        grouped.has_churn_information,
        case when grouped.has_churn_information and grouped.may_be_active then windows_observed.days_observed end as days_observed,
        windows_churned.days_churned,
        sum(grouped.responses) as responses,
        sum(grouped.customers) as customers
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
        grouped.has_churn_information,
        case when grouped.has_churn_information and grouped.may_be_active then windows_observed.days_observed end,
        windows_churned.days_churned
),

counted as (
    select
        bucketed.metric,
        bucketed.survey_type,
        bucketed.nps_class,
        windows.window_days,
        {{ grouped_dimension(segments) }} as dimension,
        {{ grouped_dimension(segments, value=true) }} as segment
        {%- for basis in ['responses', 'customers'] %},
        sum(case when bucketed.has_churn_information then bucketed.{{ basis }} else 0 end) as {{ basis }}_known_anchors,
        sum(case when bucketed.days_observed >= windows.window_days then bucketed.{{ basis }} else 0 end) as {{ basis }}_observed,
        sum(case
            when bucketed.days_observed >= windows.window_days and bucketed.days_churned <= windows.window_days then bucketed.{{ basis }}
            else 0
        end) as {{ basis }}_churned
        {%- endfor %}
    from bucketed
    cross join windows
    group by grouping sets (
        (bucketed.metric, bucketed.survey_type, bucketed.nps_class, windows.window_days)
        {%- for segment in segments %},
        (bucketed.metric, bucketed.survey_type, bucketed.nps_class, windows.window_days, {{ segment }})
        {%- endfor %}
    )
)

-- a cell has both bases, also where no customer's first anchor is in it
{% for basis in ['responses', 'customers'] %}
select
    '{{ basis }}' as basis,
    metric,
    survey_type,
    nps_class,
    window_days,
    dimension,
    segment,
    cast({{ basis }}_known_anchors as bigint) as known_anchors,
    cast({{ basis }}_observed as bigint) as observed,
    cast({{ basis }}_churned as bigint) as churned
from counted
{% if not loop.last %}
union all
{% endif %}
{% endfor %}
