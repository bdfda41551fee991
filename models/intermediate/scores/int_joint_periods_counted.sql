{%- set grains = time_grains('month') + ['all'] -%}
{%- set segments = segment_columns() -%}
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

voicings as (
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
        voicings.basis,
        case voicings.basis when 'responses' then summed.answers else summed.voices end as responses
    from summed
    cross join voicings
),

-- customers have segments and are asked for customers' metrics
based as (
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
),

-- every dimension has the same customers
totals as (
    select
        as_of_on,
        dimension,
        cast(sum(customers) as bigint) as customers
    from {{ ref('int_customer_base_counted') }}
    group by as_of_on, dimension
),

bases as (
    select
        as_of_on,
        max(customers) as base_customers
    from totals
    group by as_of_on
),

final as (
    select
        based.time_grain,
        based.period_start,
        based.period_end,
        based.basis,
        based.metric,
        based.survey_type,
        {{ segment_list('based.') }}
        {%- for segment in segments %}
        coalesce(of_{{ segment }}.customers, 0) as base_{{ segment }},
        {%- endfor %}
        coalesce(bases.base_customers, 0) as base_customers,
        based.promoters,
        based.passives,
        based.detractors
    from based
    left join bases on based.base_on = bases.as_of_on
    {%- for segment, published_name in segments.items() %}
    left join {{ ref('int_customer_base_counted') }} as of_{{ segment }}
        on
            based.base_on = of_{{ segment }}.as_of_on
            and of_{{ segment }}.dimension = '{{ published_name }}'
            and based.{{ segment }} = of_{{ segment }}.segment
    {%- endfor %}
)

select * from final
