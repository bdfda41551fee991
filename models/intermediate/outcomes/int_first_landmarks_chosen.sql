-- The first invitation, chosen without looking ahead: the latest would be the one before leaving.
with judged as (
    select
        followed.*,
        followed.may_be_active and followed.landmark_on <= workspace.as_of_on as is_compared
    from {{ ref('int_landmarks_classified') }} as followed
    cross join {{ source('raw', 'workspace') }} as workspace
),

ranked as (
    select
        *,
        row_number() over (
            partition by customer_key, metric, survey_type
            order by is_compared desc nulls last, landmark_at asc nulls last, invitation_key asc nulls last
        ) as turn
    from judged
)

select
    {{ segment_list() }}
    customer_key,
    metric,
    survey_type,
    nps_class,
    sent_at,
    sent_on,
    landmark_on,
    is_answered,
    is_compared,
    days_to_churn,
    has_churn_information
from ranked
where turn = 1
