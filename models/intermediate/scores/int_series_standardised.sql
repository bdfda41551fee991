{%- set series = ['time_grain', 'basis', 'metric', 'survey_type', 'dimension', 'segment'] -%}

-- Each customer once, since answers of one customer are not independent; no days, since people of a Monday
-- are not those of a Sunday.
with pooled as (
    select
        cells.*,
        cast(count(*) over of_series as bigint) as periods,
        min(cells.period_start) over of_series as first_period_start,
        sum(cells.responses) over of_series as total,
        {{ nps('sum(cells.promoters) over of_series', 'sum(cells.passives) over of_series', 'sum(cells.detractors) over of_series') }} as centre,
        {{ nps_standard_error('sum(cells.promoters) over of_series', 'sum(cells.passives) over of_series', 'sum(cells.detractors) over of_series') }} as error_of_centre
    from {{ ref('int_periods_scored') }} as cells
    cross join {{ source('raw', 'workspace') }} as workspace
    where
        cells.basis = 'customers' and cells.time_grain not in ('day', 'all') and cells.period_end <= workspace.as_of_on
        and cells.responses >= greatest(workspace.min_group_size, {{ assumption('trend_min_responses') }})
    window of_series as (partition by {% for column in series %}{{ ', ' if not loop.first }}cells.{{ column }}{% endfor %})
)

select
    {{ series | join(', ') }},
    period_start,
    period_end,
    responses,
    promoters,
    passives,
    detractors,
    nps,
    periods,
    cast({{ dbt.datediff('first_period_start', 'period_start', 'day') }} as bigint) as days_since_first,
    centre,
    error_of_centre * sqrt(1e0 * total) as deviation,
    error_of_centre * sqrt(1e0 * total / responses) as standard_error
from pooled
