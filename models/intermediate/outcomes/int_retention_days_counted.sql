{%- set segments = segment_columns() -%}
{%- set curve = 'basis, followed_from, metric, survey_type, dimension, segment, nps_class' -%}

{#- followed from the answer, or from the landmark of an invitation; every such moment, or each customer's first -#}
{%- set sets = [
    ('responses', 'answer', 'int_anchors_unioned', 'anchored_on', 'may_be_active and not is_silence'),
    ('customers', 'answer', 'int_first_anchors_chosen', 'anchored_on', 'not is_silence'),
    ('responses', 'landmark', 'int_landmarks_classified', 'landmark_on', 'may_be_active'),
    ('customers', 'landmark', 'int_first_landmarks_chosen', 'landmark_on', 'is_compared'),
] -%}

-- an invitation whose landmark is not reached has been followed for no day yet
with records as (
    {%- for basis, followed_from, relation, day, condition in sets %}
    select
        '{{ basis }}' as basis,
        '{{ followed_from }}' as followed_from,
        starts.metric,
        starts.survey_type,
        starts.nps_class,
        {{ segment_list('starts.') }}
        starts.days_to_churn,
        cast({{ dbt.datediff('starts.' ~ day, 'workspace.as_of_on', 'day') }} as int) as days_seen
    from {{ ref(relation) }} as starts
    cross join {{ source('raw', 'workspace') }} as workspace
    where
        starts.has_churn_information
        and starts.nps_class is not null
        and starts.{{ day }} <= workspace.as_of_on
        and {{ condition }}
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
),

-- a churn after as_of is unknown at as_of: the record is censored there
ended as (
    select
        basis,
        followed_from,
        metric,
        survey_type,
        nps_class,
        {%- for segment in segments %}
        coalesce({{ segment }}, '(unknown)') as {{ segment }},
        {%- endfor %}
        case when days_to_churn <= days_seen then days_to_churn else days_seen end as days,
        case when days_to_churn <= days_seen then 1 else 0 end as is_churned
    from records
),

counted as (
    select
        basis,
        followed_from,
        metric,
        survey_type,
        {{ grouped_dimension(segments) }} as dimension,
        {{ grouped_dimension(segments, value=true) }} as segment,
        nps_class,
        days,
        cast(sum(is_churned) as bigint) as churned,
        cast(sum(1 - is_churned) as bigint) as censored
    from ended
    group by grouping sets (
        (basis, followed_from, metric, survey_type, nps_class, days)
        {%- for segment in segments %},
        (basis, followed_from, metric, survey_type, nps_class, days, {{ segment }})
        {%- endfor %}
    )
),

first_days as (
    select
        {{ curve }},
        min(days) as first_day
    from counted
    group by {{ curve }}
),

-- every curve starts on day 0, also where no record ends on it
filled as (
    select
        {{ curve }},
        days,
        churned,
        censored
    from counted

    union all

    select
        {{ curve }},
        0 as days,
        cast(0 as bigint) as churned,
        cast(0 as bigint) as censored
    from first_days
    where first_day > 0
),

final as (
    select
        {{ curve }},
        days,
        cast(sum(churned + censored) over (
            partition by {{ curve }} order by days desc nulls last
            rows between unbounded preceding and current row
        ) as bigint) as at_risk,
        churned,
        censored
    from filled
)

select * from final
