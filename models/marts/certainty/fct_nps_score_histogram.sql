{%- set grains = time_grains('month') + ['all'] -%}
{%- set cell = ['time_grain', 'period_start', 'period_end', 'basis', 'metric', 'survey_type', 'dimension', 'segment'] -%}

-- Every bar of every period is a sum of days; no answer is read again. Grain all spans what it spans in
-- fct_nps_by_period.
with days as (
    select * from {{ ref('int_nps_scores_counted') }}
    where dimension <> 'all dimensions'
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

classes as (
    select distinct
        metric,
        contribution,
        nps_class
    from {{ ref('metric_scales') }}
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
        days.segment,
        days.score,
        days.contribution,
        sum(days.responses) as answers,
        sum(days.voices_{{ grain }}) as voices
    from days
    inner join spans on days.metric = spans.metric and days.survey_type = spans.survey_type
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
),

counted as (
    select
        summed.*,
        bases.basis,
        cast(case bases.basis when 'responses' then summed.answers else summed.voices end as bigint) as responses
    from summed
    cross join bases
),

totalled as (
    select
        *,
        cast(sum(responses) over (partition by {{ cell | join(', ') }}) as bigint) as cell_responses
    from counted
    -- the voices that gave the score may all have answered again
    where responses > 0
),

final as (
    select
        {%- for column in cell %}
        totalled.{{ column }},
        {%- endfor %}
        totalled.score,
        classes.nps_class,
        totalled.responses,
        totalled.cell_responses,
        case when totalled.cell_responses >= workspace.min_group_size then 1e0 * totalled.responses / totalled.cell_responses end as share,
        totalled.cell_responses < workspace.min_group_size as is_suppressed
    from totalled
    inner join classes on totalled.metric = classes.metric and totalled.contribution = classes.contribution
    cross join {{ source('raw', 'workspace') }} as workspace
)

select * from final
