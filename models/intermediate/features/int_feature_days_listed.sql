-- The last feature_months month ends, and as_of itself where it is none of them.
with months as (
    {{ dbt.generate_series(242) }}
),

month_ends as (
    select
        workspace.feature_months,
        workspace.as_of_on as last_on,
        {{ days_after(dbt.dateadd('month', '2 - months.generated_number', dbt.date_trunc('month', 'workspace.as_of_on')), -1) }} as as_of_on
    from months
    cross join {{ source('raw', 'workspace') }} as workspace
),

reached as (
    select
        as_of_on,
        feature_months,
        row_number() over (order by as_of_on desc nulls last) as age
    from month_ends
    where as_of_on <= last_on
),

listed as (
    select as_of_on from reached
    where age <= feature_months
    union
    select as_of_on from {{ source('raw', 'workspace') }}
)

select * from listed
