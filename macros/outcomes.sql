{#- The moments from which an outcome is followed: `anchors`, one row for each answer of a customer and
    each unanswered invitation (class no_response), with the days to churn, if any, and is_at_risk:
    the customer was active then and its source tells who leaves. -#}
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
        has_churn_information and was_active_when_sent as is_at_risk
    from {{ ref('int_invitations_unanswered') }}
)
{%- endmacro %}

{#- From anchors to `counted`: customers, observed and churned answers and money for each metric, survey
    type, class, window, dimension and segment. windows is a CTE with window_days. On the way stands
    `placed`: the anchors with is_place, the one in which a customer counts. -#}
{% macro count_outcomes(windows) -%}
{%- set segments = segment_columns() -%}
-- one customer, one voice where money is added up: a customer counts in the class of the latest
-- answer, and as silent only if there was none
latest as (
    select
        responses.response_key,
        row_number() over (
            partition by responses.customer_key, responses.metric, responses.survey_type
            order by {{ latest_first('responses') }}
        ) as age
    from {{ ref('int_responses_identified') }} as responses
    where responses.customer_key is not null
),

placed as (
    select
        anchors.*,
        row_number() over (
            partition by anchors.customer_key, anchors.metric, anchors.survey_type
            order by
                case when latest.age is null then 1 else 0 end asc,
                latest.age asc,
                anchors.anchored_on desc,
                anchors.anchor_key asc
        ) = 1 as is_place
    from anchors
    -- an invitation may have the number, and so the key, of an answer
    left join latest on anchors.anchor_key = latest.response_key and anchors.nps_class <> 'no_response'
),

windowed as (
    select
        placed.metric,
        placed.survey_type,
        placed.nps_class,
        {%- for segment in segments %}
        coalesce(placed.{{ segment }}, '(unknown)') as {{ segment }},
        {%- endfor %}
        windows.window_days,
        case when placed.is_place then 1 else 0 end as customers,
        -- a rate takes only windows that are over, so that early churners don't inflate it
        case
            when placed.is_at_risk and {{ days_after('placed.anchored_on', 'windows.window_days') }} <= workspace.as_of_on then 1
            else 0
        end as observed,
        case
            when
                placed.is_at_risk
                and {{ days_after('placed.anchored_on', 'windows.window_days') }} <= workspace.as_of_on
                and placed.days_to_churn <= windows.window_days
                then 1
            else 0
        end as churned,
        case
            when placed.is_place and lifecycles.has_mrr_information then coalesce(customer_values.mrr, 0)
        end as active_mrr,
        case
            when placed.is_place and lifecycles.has_revenue_information then coalesce(customer_values.realised_ltv, 0)
        end as realised_ltv,
        case when lifecycles.has_churn_information then 1 else 0 end as informed
    from placed
    cross join {{ windows }} as windows
    cross join {{ source('raw', 'workspace') }} as workspace
    left join {{ ref('int_customer_values_summed') }} as customer_values
        on placed.customer_key = customer_values.customer_key
    left join {{ ref('int_customer_lifecycles_dated') }} as lifecycles
        on placed.customer_key = lifecycles.customer_key
),

counted as (
    select
        metric,
        survey_type,
        nps_class,
        window_days,
        {{ grouped_dimension(segments) }} as dimension,
        {{ grouped_dimension(segments, value=true) }} as segment,
        cast(sum(customers) as bigint) as customers,
        cast(sum(informed) as bigint) as informed,
        cast(sum(observed) as bigint) as observed,
        cast(sum(churned) as bigint) as churned,
        round({{ exact_sum('active_mrr') }}, 6) as active_mrr,
        round({{ exact_sum('realised_ltv') }}, 6) as realised_ltv
    from windowed
    group by grouping sets (
        (metric, survey_type, nps_class, window_days)
        {%- for segment in segments %},
        (metric, survey_type, nps_class, window_days, {{ segment }})
        {%- endfor %}
    )
)
{%- endmacro %}
