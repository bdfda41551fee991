-- Month ends as far back as feature_months says, and as_of itself, where it isn't one.
with workspace as (
    select
        as_of_on,
        feature_months
    from {{ source('raw', 'workspace') }}
),

months as (
    {{ dbt.generate_series(240) }}
),

month_ends as (
    select {{ days_after(dbt.dateadd('month', '1 - generated_number', dbt.date_trunc('month', 'as_of_on')), -1) }} as as_of_on
    from workspace
    cross join months
    where generated_number <= feature_months
),

listed as (
    select as_of_on from month_ends
    union
    select as_of_on from workspace
)

select * from listed
