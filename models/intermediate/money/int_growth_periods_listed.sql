{%- set grains = ['month', 'quarter', 'year'] -%}

with movements as (
    select min(moved_on) as first_on from {{ ref('int_mrr_movements_signed') }}
),

workspace as (
    select as_of_on from {{ source('raw', 'workspace') }}
),

steps as (
    {{ dbt.generate_series(1200) }}
),

months as (
    select
        {{ period_start('month', dbt.dateadd('month', '1 - steps.generated_number', 'workspace.as_of_on')) }} as month_start,
        workspace.as_of_on
    from steps
    cross join workspace
),

listed as (
    {%- for grain in grains %}
    select distinct
        '{{ grain }}' as time_grain,
        {{ period_start(grain, 'months.month_start') }} as period_start,
        {{ days_after(dbt.dateadd(grain, 1, period_start(grain, 'months.month_start')), -1) }} as period_end,
        months.as_of_on
    from months
    inner join movements on months.month_start >= {{ period_start('month', 'movements.first_on') }}
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
),

final as (
    select
        time_grain,
        period_start,
        period_end,
        period_end <= as_of_on as is_complete
    from listed
)

select * from final
