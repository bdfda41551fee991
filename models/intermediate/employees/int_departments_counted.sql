-- a quarter that is not over would show who answered since yesterday
with answers as (
    select placed.*
    from {{ ref('int_employee_answers_placed') }} as placed
    inner join {{ source('raw', 'workspace') }} as workspace on placed.period_end <= workspace.as_of_on
),

periods as (
    select distinct
        metric,
        survey_type,
        period_start,
        period_end
    from answers
),

departments as (
    select department from {{ ref('int_employee_departments_dated') }}
    union
    select '(unknown)' as department
)

select
    {%- set key = 'periods.metric, periods.survey_type, periods.period_start, periods.period_end, departments.department' %}
    {{ key }},
    cast(sum(case when answers.contribution > 0 then 1 else 0 end) as bigint) as promoters,
    cast(sum(case when answers.contribution = 0 then 1 else 0 end) as bigint) as passives,
    cast(sum(case when answers.contribution < 0 then 1 else 0 end) as bigint) as detractors,
    count(answers.contribution) as voices
from periods
cross join departments
left join answers
    on
        periods.metric = answers.metric
        and periods.survey_type = answers.survey_type
        and periods.period_start = answers.period_start
        and departments.department = answers.department
group by {{ key }}
