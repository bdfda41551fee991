{#- The moments from which an outcome is followed: `anchors`, one row for each answer of a customer and
    each unanswered invitation (class no_response), with the days to churn, if any, is_informed: the
    customer's source tells who leaves, and is_at_risk: and the customer was active then. -#}
{% macro anchor_outcomes() -%}
anchors as (
    select
        customer_key,
        metric,
        survey_type,
        nps_class,
        {{ segment_list() }}
        responded_on as anchored_on,
        response_key as anchor_key,
        days_to_churn,
        has_churn_information as is_informed,
        has_churn_information and was_active_at_answer as is_at_risk
    from {{ ref('fct_nps_churn') }}

    union all

    select
        customer_key,
        metric,
        survey_type,
        'no_response' as nps_class,
        {{ segment_list() }}
        sent_on as anchored_on,
        invitation_key as anchor_key,
        days_to_churn,
        has_churn_information as is_informed,
        has_churn_information and was_active_when_sent as is_at_risk
    from {{ ref('int_invitations_unanswered') }}
)
{%- endmacro %}

{#- From anchors to `counted`: customers, observed and churned answers and money for each metric, survey
    type, class, window, dimension and segment. windows is a CTE with window_days. On the way stands
    `placed`: one row for each customer, metric and survey type, in the class in which it counts. -#}
{% macro count_outcomes(windows) -%}
{%- set segments = segment_columns() -%}
-- one customer, one voice where money is added up
placed as (
    select * from {{ ref('int_customers_placed') }}
),

priced as (
    select
        placed.metric,
        placed.survey_type,
        placed.nps_class,
        {%- for segment in segments %}
        coalesce(placed.{{ segment }}, '(unknown)') as {{ segment }},
        {%- endfor %}
        case when lifecycles.has_mrr_information then coalesce(customer_values.mrr, 0) end as active_mrr,
        case when lifecycles.has_revenue_information then coalesce(customer_values.realised_ltv, 0) end as realised_ltv
    from placed
    left join {{ ref('int_customer_values_summed') }} as customer_values
        on placed.customer_key = customer_values.customer_key
    left join {{ ref('int_customer_lifecycles_dated') }} as lifecycles
        on placed.customer_key = lifecycles.customer_key
),

summed as (
    select
        metric,
        survey_type,
        nps_class,
        {{ grouped_dimension(segments) }} as dimension,
        {{ grouped_dimension(segments, value=true) }} as segment,
        count(*) as customers,
        {{ exact_sum('active_mrr') }} as active_mrr,
        {{ exact_sum('realised_ltv') }} as realised_ltv
    from priced
    group by grouping sets (
        (metric, survey_type, nps_class)
        {%- for segment in segments %},
        (metric, survey_type, nps_class, {{ segment }})
        {%- endfor %}
    )
),

-- read once and counted together where they are alike: nothing below looks at each of them again
alike as (
    select
        metric,
        survey_type,
        nps_class,
        {{ segment_list() }}
        anchored_on,
        days_to_churn,
        is_informed,
        is_at_risk,
        count(*) as anchors
    from anchors
    group by metric, survey_type, nps_class, {{ segment_list() }} anchored_on, days_to_churn, is_informed, is_at_risk
),

-- a rate takes only windows that are over, so that early churners don't inflate it
windows_over as (
    select
        anchored.anchored_on,
        max(windows.window_days) as days_over
    from (select distinct anchored_on from alike) as anchored
    cross join {{ windows }} as windows
    cross join {{ source('raw', 'workspace') }} as workspace
    where {{ days_after('anchored.anchored_on', 'windows.window_days') }} <= workspace.as_of_on
    group by anchored.anchored_on
),

windows_churned as (
    select
        leaving.days_to_churn,
        min(windows.window_days) as days_churned
    from (select distinct days_to_churn from alike) as leaving
    inner join {{ windows }} as windows on leaving.days_to_churn <= windows.window_days
    group by leaving.days_to_churn
),

-- few kinds of them are left before any window is looked at
kinds as (
    select
        alike.metric,
        alike.survey_type,
        alike.nps_class,
        {%- for segment in segments %}
        coalesce(alike.{{ segment }}, '(unknown)') as {{ segment }},
        {%- endfor %}
        case when alike.is_at_risk then windows_over.days_over end as days_over,
        windows_churned.days_churned,
        sum(alike.anchors) as anchors,
        sum(case when alike.is_informed then alike.anchors else 0 end) as informed
    from alike
    left join windows_over on alike.anchored_on = windows_over.anchored_on
    left join windows_churned on alike.days_to_churn = windows_churned.days_to_churn
    group by
        alike.metric,
        alike.survey_type,
        alike.nps_class,
        {%- for segment in segments %}
        coalesce(alike.{{ segment }}, '(unknown)'),
        {%- endfor %}
        case when alike.is_at_risk then windows_over.days_over end,
        windows_churned.days_churned
),

windowed as (
    select
        kinds.metric,
        kinds.survey_type,
        kinds.nps_class,
        windows.window_days,
        {{ grouped_dimension(segments) }} as dimension,
        {{ grouped_dimension(segments, value=true) }} as segment,
        sum(kinds.informed) as informed,
        sum(case when kinds.days_over >= windows.window_days then kinds.anchors else 0 end) as observed,
        sum(case
            when kinds.days_over >= windows.window_days and kinds.days_churned <= windows.window_days then kinds.anchors
            else 0
        end) as churned
    from kinds
    cross join {{ windows }} as windows
    group by grouping sets (
        (metric, survey_type, nps_class, window_days)
        {%- for segment in segments %},
        (metric, survey_type, nps_class, window_days, {{ segment }})
        {%- endfor %}
    )
),

counted as (
    select
        windowed.metric,
        windowed.survey_type,
        windowed.nps_class,
        windowed.window_days,
        windowed.dimension,
        windowed.segment,
        cast(coalesce(summed.customers, 0) as bigint) as customers,
        cast(windowed.informed as bigint) as informed,
        cast(windowed.observed as bigint) as observed,
        cast(windowed.churned as bigint) as churned,
        round(summed.active_mrr, 6) as active_mrr,
        round(summed.realised_ltv, 6) as realised_ltv
    from windowed
    left join summed
        on
            windowed.metric = summed.metric
            and windowed.survey_type = summed.survey_type
            and windowed.nps_class = summed.nps_class
            and windowed.dimension = summed.dimension
            and windowed.segment = summed.segment
)
{%- endmacro %}
