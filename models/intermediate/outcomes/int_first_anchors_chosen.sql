{%- set columns = [
    'customer_key', 'metric', 'survey_type', 'nps_class', 'anchored_on', 'days_to_churn', 'anchor_key',
    'is_silence', 'has_churn_information', 'may_be_active',
] -%}

-- chosen by time alone, so that no later anchor changes the choice
with ranked as (
    select
        {{ columns | join(', ') }},
        {{ segment_list() }}
        rank() over in_time as place,
        count(*) over in_time as anchors_so_far
    from {{ ref('int_anchors_unioned') }}
    where may_be_active
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
    where earliest.anchors_so_far > 1 and not earliest.is_silence

    union all

    select
        earliest.*,
        invitations.landmark_at as anchored_at
    from earliest
    inner join {{ ref('int_invitations_followed') }} as invitations on earliest.anchor_key = invitations.invitation_key
    where earliest.anchors_so_far > 1 and earliest.is_silence
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
    where anchors_so_far = 1

    union all

    select
        {{ segment_list() }}
        {{ columns | join(', ') }}
    from ordered
    where turn = 1
)

select * from chosen
