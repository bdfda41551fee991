{%- set grains = time_grains('month') -%}

with movements as (
    select min(moved_on) as first_on from {{ ref('int_mrr_movements_signed') }}
),

steps as (
    {{ dbt.generate_series(1200) }}
),

months as (
    select
        {{ period_start('month', dbt.dateadd('month', '1 - steps.generated_number', 'workspace.as_of_on')) }} as month_start,
        workspace.as_of_on
    from steps
    cross join {{ source('raw', 'workspace') }} as workspace
)

{% for grain in grains %}
{%- set starts_on = period_start(grain, 'months.month_start') %}
{%- set ends_on = period_end(grain, starts_on) %}
select distinct
    '{{ grain }}' as time_grain,
    {{ starts_on }} as period_start,
    {{ ends_on }} as period_end,
    {{ ends_on }} <= months.as_of_on as is_complete
from months
inner join movements on months.month_start >= {{ period_start('month', 'movements.first_on') }}
{%- if not loop.last %}

union all
{% endif %}
{%- endfor %}
