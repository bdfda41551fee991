{{ config(
    materialized='incremental',
    incremental_strategy='replace',
    meta={'changed': {'key': 'customer_key', 'model': 'int_customers_affected'}},
) }}
{%- set columns = [
    'customer_key', 'metric', 'survey_type', 'nps_class', 'anchored_on', 'days_to_churn', 'anchor_key',
    'is_silence', 'has_churn_information', 'may_be_active',
] -%}

-- chosen by time alone, so that no later anchor changes the choice
with anchors as (
    select * from {{ ref('int_anchors_unioned') }}
    where
        may_be_active
        and {{ is_affected('customer_key', 'int_customers_affected') }}
),

first_days as (
    select
        customer_key,
        metric,
        survey_type,
        min(anchored_on) as first_on
    from anchors
    group by customer_key, metric, survey_type
),

earliest as (
    select
        {%- for column in columns %}
        anchors.{{ column }},
        {%- endfor %}
        {{ segment_list('anchors.') }}
        count(*) over (partition by anchors.customer_key, anchors.metric, anchors.survey_type) as anchors_of_day
    from anchors
    inner join first_days
        on
            anchors.customer_key = first_days.customer_key
            and anchors.metric = first_days.metric
            and anchors.survey_type = first_days.survey_type
            and anchors.anchored_on = first_days.first_on
),

-- the instant is looked up only where a customer has several anchors on the first day; an invitation may
-- have the key of an answer
timed as (
    select
        earliest.*,
        responses.responded_at as anchored_at
    from earliest
    inner join {{ ref('fct_nps_responses') }} as responses on earliest.anchor_key = responses.response_key
    where earliest.anchors_of_day > 1 and not earliest.is_silence

    union all

    select
        earliest.*,
        invitations.landmark_at as anchored_at
    from earliest
    inner join {{ ref('int_invitations_followed') }} as invitations on earliest.anchor_key = invitations.invitation_key
    where earliest.anchors_of_day > 1 and earliest.is_silence
),

ordered as (
    select
        *,
        row_number() over (
            partition by customer_key, metric, survey_type
            order by anchored_at asc nulls last, anchor_key asc nulls last
        ) as turn
    from timed
),

chosen as (
    select
        {{ segment_list() }}
        {{ columns | join(', ') }}
    from earliest
    where anchors_of_day = 1

    union all

    select
        {{ segment_list() }}
        {{ columns | join(', ') }}
    from ordered
    where turn = 1
)

select * from chosen
