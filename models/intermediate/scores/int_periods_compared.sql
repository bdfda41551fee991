{%- set classes = ['promoters', 'passives', 'detractors'] -%}

with cells as (
    select * from {{ ref('int_periods_scored') }}
),

totals as (
    select * from cells
    where dimension = 'all'
),

-- the previous period is the last one in which anybody answered
periods as (
    select
        time_grain,
        period_start,
        period_end,
        basis,
        metric,
        survey_type,
        lag(period_start) over (
            partition by time_grain, basis, metric, survey_type
            order by period_start nulls last
        ) as previous_start
    from totals
),

-- a cell takes part in two comparisons: its own period's, and the following period's
sides as (
    {%- for side in ['period_start', 'previous_start'] %}
    select
        periods.time_grain,
        periods.period_start,
        periods.previous_start,
        periods.period_end,
        periods.basis,
        periods.metric,
        periods.survey_type,
        cells.dimension,
        cells.segment
        {%- for class in classes %},
        {{ 'cells.' ~ class if side == 'period_start' else 0 }} as own_{{ class }},
        {{ 'cells.' ~ class if side == 'previous_start' else 0 }} as previous_{{ class }}
        {%- endfor %}
    from periods
    inner join cells
        on
            periods.time_grain = cells.time_grain
            and periods.{{ side }} = cells.period_start
            and periods.basis = cells.basis
            and periods.metric = cells.metric
            and periods.survey_type = cells.survey_type
    where periods.previous_start is not null
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
),

-- a segment that one of the two periods lacks has no answers there
changes as (
    select
        'previous_period' as comparison,
        time_grain,
        period_start,
        previous_start as compared_period_start,
        period_end,
        basis,
        metric,
        survey_type,
        dimension,
        segment
        {%- for class in classes %},
        cast(sum(own_{{ class }}) as bigint) as {{ class }},
        cast(sum(previous_{{ class }}) as bigint) as compared_{{ class }}
        {%- endfor %}
    from sides
    group by time_grain, period_start, previous_start, period_end, basis, metric, survey_type, dimension, segment
),

-- the rest of a dimension is the total without the segment, never the total that contains it
rests as (
    select
        'rest_of_dimension' as comparison,
        cells.time_grain,
        cells.period_start,
        cells.period_start as compared_period_start,
        totals.period_end,
        cells.basis,
        cells.metric,
        cells.survey_type,
        cells.dimension,
        cells.segment
        {%- for class in classes %},
        cells.{{ class }},
        totals.{{ class }} - cells.{{ class }} as compared_{{ class }}
        {%- endfor %}
    from cells
    inner join totals
        on
            cells.time_grain = totals.time_grain
            and cells.period_start = totals.period_start
            and cells.basis = totals.basis
            and cells.metric = totals.metric
            and cells.survey_type = totals.survey_type
    where cells.dimension <> 'all'
),

final as (
    select * from changes
    union all
    select * from rests
)

select * from final
