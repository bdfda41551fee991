-- Every day from the first accepted answer to as_of: what daily figures are filled from.
with firsts as (
    select min(responded_on) as first_on from {{ ref('fct_nps_responses') }}
),

steps as (
    {{ dbt.generate_series(32768) }}
),

days as (
    select
        firsts.first_on,
        {{ days_after('workspace.as_of_on', '1 - steps.generated_number') }} as as_of_on
    from {{ source('raw', 'workspace') }} as workspace
    cross join firsts
    cross join steps
)

select as_of_on from days
where as_of_on >= first_on
