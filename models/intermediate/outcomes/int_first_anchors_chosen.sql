-- Chosen by time alone, so that no later anchor changes the choice.
with anchors as (
    select
        customer_key,
        metric,
        survey_type,
        nps_class,
        {{ segment_list() }}
        anchored_on,
        days_to_churn,
        anchor_key
    from {{ ref('int_anchors_unioned') }}
    where is_at_risk
),

ranked as (
    select
        *,
        rank() over in_time as place,
        count(*) over in_time as anchors_so_far
    from anchors
    window in_time as (partition by customer_key, metric, survey_type order by anchored_on asc nulls last)
),

earliest as (
    select * from ranked
    where place = 1
),

-- the instant is looked up only where a customer has several anchors on the first day; an invitation may
-- have the key of an answer
timed as (
    select
        earliest.*,
        responses.responded_at as anchored_at
    from earliest
    inner join {{ ref('fct_nps_responses') }} as responses on earliest.anchor_key = responses.response_key
    where earliest.anchors_so_far > 1 and earliest.nps_class <> 'no_response'

    union all

    select
        earliest.*,
        invitations.sent_at as anchored_at
    from earliest
    inner join {{ ref('int_invitations_identified') }} as invitations on earliest.anchor_key = invitations.invitation_key
    where earliest.anchors_so_far > 1 and earliest.nps_class = 'no_response'
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
        customer_key,
        metric,
        survey_type,
        nps_class,
        {{ segment_list() }}
        anchored_on,
        days_to_churn
    from earliest
    where anchors_so_far = 1

    union all

    select
        customer_key,
        metric,
        survey_type,
        nps_class,
        {{ segment_list() }}
        anchored_on,
        days_to_churn
    from ordered
    where turn = 1
)

select * from chosen
