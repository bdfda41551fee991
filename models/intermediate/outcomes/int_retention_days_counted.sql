{%- set segments = segment_columns() -%}
{%- set curve = 'basis, metric, survey_type, dimension, segment, nps_class' -%}

with anchors as (
    select * from {{ ref('int_anchors_unioned') }}
    where is_at_risk
),

first_anchors as (
    select * from {{ ref('int_first_anchors_chosen') }}
),

records as (
    {%- for basis, relation in [('responses', 'anchors'), ('customers', 'first_anchors')] %}
    select
        '{{ basis }}' as basis,
        {{ relation }}.metric,
        {{ relation }}.survey_type,
        {{ relation }}.nps_class,
        {{ segment_list(relation ~ '.') }}
        {{ relation }}.days_to_churn,
        cast({{ dbt.datediff(relation ~ '.anchored_on', 'workspace.as_of_on', 'day') }} as int) as days_seen
    from {{ relation }}
    cross join {{ source('raw', 'workspace') }} as workspace
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
),

-- a churn after as_of is unknown at as_of: the record is censored there
ended as (
    select
        basis,
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
        (basis, metric, survey_type, nps_class, days)
        {%- for segment in segments %},
        (basis, metric, survey_type, nps_class, days, {{ segment }})
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
