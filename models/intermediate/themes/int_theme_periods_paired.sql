{%- set grains = time_grains('month') + ['all'] -%}
{%- set classes = ['promoters', 'passives', 'detractors'] -%}
{%- set series = ['time_grain', 'basis', 'metric', 'survey_type'] -%}
{%- set pair = series + ['period_start', 'compared_period_start', 'period_end'] -%}
{%- set cell = ['dimension', 'segment', 'theme', 'method'] -%}

with periods as (
    select * from {{ ref('int_periods_paired') }}
    where comparison = 'previous_period' and time_grain in ('{{ grains | join("', '") }}')
),

totals as (
    select * from {{ ref('int_periods_scored') }}
    where time_grain in ('{{ grains | join("', '") }}')
),

counted as (
    {%- for grain in grains %}
    {%- for basis, scope in {'responses': 'responses', 'customers': grain}.items() %}
    select
        '{{ grain }}' as time_grain,
        '{{ basis }}' as basis,
        days.metric,
        days.survey_type,
        {{ 'spans.period_start' if grain == 'all' else period_start(grain, 'days.responded_on') }} as period_start,
        days.{{ cell | join(',
        days.') }}
        {%- for class in classes %},
        sum(days.{{ class }}_{{ scope }}) as {{ class }}
        {%- endfor %},
        {{ 'cast(null as decimal(38, 12))' if basis == 'responses' else 'sum(days.mrr_' ~ grain ~ ')' }} as mrr
    from {{ ref('int_theme_days_counted') }} as days
    {%- if grain == 'all' %}
    inner join periods as spans on days.metric = spans.metric and days.survey_type = spans.survey_type and spans.time_grain = 'all' and spans.basis = '{{ basis }}'
    {%- endif %}
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
),

-- a cell takes part twice: in its own period, and in the one that is compared with it
sides as (
    {%- for side in ['period_start', 'compared_period_start'] %}
    {%- set is_own = side == 'period_start' %}
    select
        periods.{{ pair | join(',
        periods.') }},
        counted.{{ cell | join(',
        counted.') }}
        {%- for class in classes %},
        {{ 'counted.' ~ class if is_own else 0 }} as own_{{ class }},
        {{ 0 if is_own else 'counted.' ~ class }} as compared_{{ class }}
        {%- endfor %},
        {{ 'counted.mrr' if is_own else 'cast(null as decimal(38, 12))' }} as mrr
    from counted
    inner join periods
        on
            counted.period_start = periods.{{ side }}
            {%- for column in series %}
            and counted.{{ column }} = periods.{{ column }}
            {%- endfor %}
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
),

-- a theme that one of the two periods lacks was named by nobody there
named as (
    select
        sides.{{ (pair + cell) | join(',
        sides.') }}
        {%- for class in classes %},
        cast(sum(sides.own_{{ class }}) as bigint) as {{ class }},
        cast(sum(sides.compared_{{ class }}) as bigint) as compared_{{ class }}
        {%- endfor %},
        sum(sides.mrr) as mrr
    from sides
    group by sides.{{ (pair + cell) | join(', sides.') }}
    -- an answer that is not its voice's latest names nothing in basis customers
    having sum(sides.own_promoters + sides.own_passives + sides.own_detractors + sides.compared_promoters + sides.compared_passives + sides.compared_detractors) > 0
)

select
    named.*
    {%- for class in classes %},
    totals.{{ class }} as all_{{ class }},
    coalesce(compared.{{ class }}, 0) as compared_all_{{ class }}
    {%- endfor %}
from named
{%- for alias, period in {'totals': 'period_start', 'compared': 'compared_period_start'}.items() %}
{{ 'inner' if alias == 'totals' else 'left' }} join totals{{ ' as compared' if alias == 'compared' }}
    on
        named.{{ period }} = {{ alias }}.period_start
        {%- for column in series + ['dimension', 'segment'] %}
        and named.{{ column }} = {{ alias }}.{{ column }}
        {%- endfor %}
{%- endfor %}
