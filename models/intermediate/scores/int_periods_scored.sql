{%- set grains = time_grains() + ['all'] -%}
{%- set classes = ['promoters', 'passives', 'detractors'] -%}

-- Every period is a sum of days. Grain all spans from the metric's first answer to its last, so that
-- both bases and every segment share one period.
with days as (
    select * from {{ ref('int_nps_days_counted') }}
),

bases as (
    select 'responses' as basis
    union all
    select 'customers' as basis
),

spans as (
    select
        metric,
        survey_type,
        min(responded_on) as first_on,
        max(responded_on) as last_on
    from days
    where dimension = 'all'
    group by 1, 2
),

summed as (
    {%- for grain in grains %}
    {%- set start = 'spans.first_on' if grain == 'all' else period_start(grain, 'days.responded_on') %}
    select
        '{{ grain }}' as time_grain,
        {{ start }} as period_start,
        {{ 'spans.last_on' if grain == 'all' else period_end(grain, start) }} as period_end,
        days.metric,
        days.survey_type,
        days.dimension,
        days.segment
        {%- for class in classes %},
        sum(days.{{ class }}_responses) as {{ class }}_responses,
        sum(days.{{ class }}_{{ grain }}) as {{ class }}_customers
        {%- endfor %}
    from days
    inner join spans on days.metric = spans.metric and days.survey_type = spans.survey_type
    group by 1, 2, 3, 4, 5, 6, 7
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
),

counted as (
    select
        summed.time_grain,
        summed.period_start,
        summed.period_end,
        bases.basis,
        summed.metric,
        summed.survey_type,
        summed.dimension,
        summed.segment
        {%- for class in classes %},
        cast(case bases.basis when 'responses' then summed.{{ class }}_responses else summed.{{ class }}_customers end as bigint) as {{ class }}
        {%- endfor %}
    from summed
    cross join bases
),

{{ score_counts('counted') }}

select
    time_grain,
    period_start,
    period_end,
    basis,
    metric,
    survey_type,
    dimension,
    segment,
    responses,
    promoters,
    passives,
    detractors,
    nps,
    standard_error,
    ci_low,
    ci_high,
    is_suppressed
from scored
