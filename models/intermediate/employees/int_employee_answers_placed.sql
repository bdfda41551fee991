with placed as (
    select
        answers.*,
        {{ period_start('quarter', 'answers.responded_on') }} as period_start,
        coalesce(departments.department, '(unknown)') as department
    from {{ ref('int_employee_answers_identified') }} as answers
    left join {{ ref('int_employee_departments_dated') }} as departments
        on
            answers.employee_key = departments.employee_key
            and answers.responded_at >= departments.valid_from
            and answers.responded_at < departments.valid_to
),

ranked as (
    select
        placed.*,
        row_number() over (
            partition by placed.metric, placed.survey_type, placed.period_start, coalesce(placed.employee_key, placed.voice_key)
            order by {{ latest_first('placed') }}
        ) as age
    from placed
)

select
    metric,
    survey_type,
    period_start,
    {{ period_end('quarter', 'period_start') }} as period_end,
    department,
    contribution
from ranked
where age = 1
