{%- set series = ['time_grain', 'basis', 'metric', 'survey_type'] -%}
{%- set columns = series + ['period_start', 'period_end'] -%}

with totals as (
    select {{ columns | join(', ') }}
    from {{ ref('int_periods_scored') }}
    where dimension = 'all'
)

-- the previous period is the last one in which anybody answered; a year before, nobody may have
select
    'previous_period' as comparison,
    {{ columns | join(', ') }},
    lag(period_start) over (partition by {{ series | join(', ') }} order by period_start nulls last) as compared_period_start
from totals

union all

select
    'previous_year' as comparison,
    {%- for column in columns %}
    totals.{{ column }},
    {%- endfor %}
    earlier.period_start as compared_period_start
from totals
inner join totals as earlier
    on
        cast({{ dbt.dateadd('year', -1, 'totals.period_start') }} as date) = earlier.period_start
        {%- for column in series %}
        and totals.{{ column }} = earlier.{{ column }}
        {%- endfor %}
where totals.time_grain in ('month', 'quarter', 'fiscal_quarter')
