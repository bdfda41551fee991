{%- set classes = ['promoters', 'passives', 'detractors'] -%}
{%- set series = ['time_grain', 'basis', 'metric', 'survey_type'] -%}
{%- set pair = ['comparison', 'time_grain', 'period_start', 'compared_period_start', 'period_end', 'basis', 'metric', 'survey_type'] -%}

with cells as (
    select * from {{ ref('int_periods_scored') }}
),

totals as (
    select * from cells
    where dimension = 'all'
),

-- a cell takes part in these comparisons twice: as its own period's, and as a later period's
sides as (
    {%- for side in ['period_start', 'compared_period_start'] %}
    select
        {%- for column in pair %}
        periods.{{ column }},
        {%- endfor %}
        cells.dimension,
        cells.segment
        {%- for class in classes %},
        {{ 'cells.' ~ class if side == 'period_start' else 0 }} as own_{{ class }},
        {{ 'cells.' ~ class if side == 'compared_period_start' else 0 }} as compared_{{ class }}
        {%- endfor %}
    from {{ ref('int_periods_paired') }} as periods
    inner join cells
        on
            periods.{{ side }} = cells.period_start
            {%- for column in series %}
            and periods.{{ column }} = cells.{{ column }}
            {%- endfor %}
    where periods.compared_period_start is not null
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
),

-- a segment that one of the two periods lacks has no answers there
changes as (
    select
        {{ pair | join(', ') }},
        dimension,
        segment
        {%- for class in classes %},
        cast(sum(own_{{ class }}) as bigint) as {{ class }},
        cast(sum(compared_{{ class }}) as bigint) as compared_{{ class }}
        {%- endfor %}
    from sides
    group by {{ pair | join(', ') }}, dimension, segment
),

-- the rest of a dimension is the total without the segment, never the total that contains it
rests as (
    select
        'rest_of_dimension' as comparison,
        cells.time_grain,
        cells.period_start,
        cells.period_start as compared_period_start,
        cells.period_end,
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
            cells.period_start = totals.period_start
            {%- for column in series %}
            and cells.{{ column }} = totals.{{ column }}
            {%- endfor %}
    where cells.dimension <> 'all'
),

final as (
    select * from changes
    union all
    select * from rests
)

select * from final
