{%- set key = ['time_grain', 'period_start', 'period_end', 'basis', 'metric', 'survey_type'] -%}

with workspace as (
    select * from {{ source('raw', 'workspace') }}
),

-- where as_of was moved back, later figures were not published yet
published as (
    select published.*
    from {{ source('raw', 'published_figures') }} as published
    inner join workspace on published.period_end <= workspace.as_of_on
    -- a period of another fiscal year, or of none, is no longer counted
    where
        published.time_grain not in ('fiscal_quarter', 'fiscal_year')
        {%- for grain in time_grains() if grain.startswith('fiscal_') %}
        or (published.time_grain = '{{ grain }}' and published.period_start = {{ period_start(grain, 'published.period_start') }})
        {%- endfor %}
),

periods as (
    select * from {{ ref('fct_nps_by_period') }}
),

-- the figures on record, and those of the headline that this generation publishes first
recorded as (
    select
        {{ key | join(', ') }},
        as_of_on as first_as_of_on,
        promoters,
        passives,
        detractors
    from published

    union all

    select
        {%- for column in key %}
        periods.{{ column }},
        {%- endfor %}
        workspace.as_of_on as first_as_of_on,
        periods.promoters,
        periods.passives,
        periods.detractors
    from periods
    inner join workspace
        on
            periods.metric = workspace.headline_metric
            and periods.survey_type = workspace.headline_survey_type
            and periods.period_end <= workspace.as_of_on
    left join published
        on
            periods.time_grain = published.time_grain
            and periods.period_start = published.period_start
            and periods.basis = published.basis
            and periods.metric = published.metric
            and periods.survey_type = published.survey_type
    where periods.time_grain not in ('day', 'all') and published.metric is null
),

{{ score_counts('recorded') }},

final as (
    select
        {%- for column in key %}
        recorded.{{ column }},
        {%- endfor %}
        recorded.first_as_of_on,
        cast(recorded.promoters + recorded.passives + recorded.detractors as bigint) as first_responses,
        scored.nps as first_nps,
        scored.ci_low as first_ci_low,
        scored.ci_high as first_ci_high,
        coalesce(periods.responses, 0) as responses,
        periods.nps,
        periods.ci_low,
        periods.ci_high,
        periods.nps - scored.nps as change,
        recorded.promoters <> coalesce(periods.promoters, 0)
        or recorded.passives <> coalesce(periods.passives, 0)
        or recorded.detractors <> coalesce(periods.detractors, 0) as is_restated
    from recorded
    left join scored
        on
            {%- for column in key %}
            {{ 'and ' if not loop.first }}recorded.{{ column }} = scored.{{ column }}
            {%- endfor %}
    left join periods
        on
            {%- for column in key %}
            {{ 'and ' if not loop.first }}recorded.{{ column }} = periods.{{ column }}
            {%- endfor %}
)

select * from final
