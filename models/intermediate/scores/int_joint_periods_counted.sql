{%- set grains = time_grains('month') + ['all'] -%}
{%- set classes = {'promoters': '> 0', 'passives': '= 0', 'detractors': '< 0'} -%}

with months as (
    select * from {{ ref('int_nps_scores_counted') }}
    where dimension = 'all dimensions'
),

spans as (
    select
        metric,
        survey_type,
        min(responded_on) as first_on,
        max(responded_on) as last_on
    from {{ ref('int_nps_scores_counted') }}
    where dimension = 'all'
    group by metric, survey_type
),

bases as (
    select 'responses' as basis
    union all
    select 'customers' as basis
),

summed as (
    {%- for grain in grains %}
    {%- set start = 'spans.first_on' if grain == 'all' else period_start(grain, 'months.responded_on') %}
    select
        '{{ grain }}' as time_grain,
        {{ start }} as period_start,
        {{ 'spans.last_on' if grain == 'all' else period_end(grain, start) }} as period_end,
        months.metric,
        months.survey_type,
        {{ segment_list('months.') }}
        months.contribution,
        months.responses as answers,
        months.voices_{{ grain }} as voices
    from months
    inner join spans on months.metric = spans.metric and months.survey_type = spans.survey_type
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
),

counted as (
    select
        summed.*,
        bases.basis,
        case bases.basis when 'responses' then summed.answers else summed.voices end as responses
    from summed
    cross join bases
),

-- customers have segments and are asked for customers' metrics
final as (
    select
        counted.time_grain,
        counted.period_start,
        counted.period_end,
        counted.basis,
        counted.metric,
        counted.survey_type,
        {{ segment_list('counted.') }}
        case when counted.period_end < workspace.as_of_on then counted.period_end else workspace.as_of_on end as base_on
        {%- for class, condition in classes.items() %},
        cast(sum(case when counted.contribution {{ condition }} then counted.responses else 0 end) as bigint) as {{ class }}
        {%- endfor %}
    from counted
    cross join {{ source('raw', 'workspace') }} as workspace
    inner join {{ ref('metrics') }} as metrics on counted.metric = metrics.metric and metrics.population = 'customers'
    where counted.responses > 0
    group by
        counted.time_grain, counted.period_start, counted.period_end, counted.basis, counted.metric, counted.survey_type,
        {{ segment_list('counted.') }} workspace.as_of_on
)

select * from final
