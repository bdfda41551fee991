{%- set series = ['time_grain', 'basis', 'metric', 'survey_type', 'dimension', 'segment'] -%}

-- Each customer once, since answers of one customer are not independent; no days, since people of a Monday
-- are not those of a Sunday.
with counted as (
    select cells.*
    from {{ ref('int_periods_scored') }} as cells
    cross join {{ source('raw', 'workspace') }} as workspace
    where
        cells.basis = 'customers'
        and cells.time_grain not in ('day', 'all')
        and cells.period_end <= workspace.as_of_on
        and cells.responses >= greatest(workspace.min_group_size, {{ assumption('trend_min_responses') }})
),

-- how much one answer varies is best known from all of them: a period's own variance would give weight to
-- periods that happen to vary little
pooled as (
    select
        {{ series | join(', ') }},
        count(*) as periods,
        sum(responses) as total,
        min(period_start) as first_period_start,
        {{ nps('sum(promoters)', 'sum(passives)', 'sum(detractors)') }} as centre,
        {{ nps_standard_error('sum(promoters)', 'sum(passives)', 'sum(detractors)') }} as error_of_centre
    from counted
    group by {{ series | join(', ') }}
),

final as (
    select
        {%- for column in series %}
        counted.{{ column }},
        {%- endfor %}
        counted.period_start,
        counted.period_end,
        counted.responses,
        counted.promoters,
        counted.passives,
        counted.detractors,
        {{ nps('counted.promoters', 'counted.passives', 'counted.detractors') }} as nps,
        cast(pooled.periods as bigint) as periods,
        cast({{ dbt.datediff('pooled.first_period_start', 'counted.period_start', 'day') }} as bigint) as days_since_first,
        pooled.centre,
        pooled.error_of_centre * sqrt(1e0 * pooled.total) as deviation,
        pooled.error_of_centre * sqrt(1e0 * pooled.total / counted.responses) as standard_error
    from counted
    inner join pooled
        on
            {%- for column in series %}
            {{ 'and ' if not loop.first }}counted.{{ column }} = pooled.{{ column }}
            {%- endfor %}
)

select * from final
