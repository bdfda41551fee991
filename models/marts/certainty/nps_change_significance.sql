{%- set counts = ['promoters', 'passives', 'detractors'] -%}
{%- set compared_counts = ['compared_promoters', 'compared_passives', 'compared_detractors'] -%}
{%- set priors = ['top_prior_of_two', 'middle_prior_of_two', 'bottom_prior_of_two'] -%}
{%- set family = ['comparison', 'time_grain', 'period_start', 'basis', 'metric', 'survey_type', 'dimension'] -%}

with totals as (
    select * from {{ ref('fct_nps_by_period') }}
),

segments as (
    select * from {{ ref('fct_nps_by_segment_period') }}
),

metrics as (
    select * from {{ ref('metrics') }}
),

workspace as (
    select
        as_of_on,
        min_group_size
    from {{ source('raw', 'workspace') }}
),

cells as (
    select
        time_grain,
        period_start,
        basis,
        metric,
        survey_type,
        'all' as dimension,
        'all' as segment,
        promoters,
        passives,
        detractors
    from totals

    union all

    select
        time_grain,
        period_start,
        basis,
        metric,
        survey_type,
        dimension,
        segment,
        promoters,
        passives,
        detractors
    from segments
),

-- the period before is the last one in which anybody answered
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
            order by period_start
        ) as previous_start
    from totals
),

-- a cell stands in two comparisons: its own period's, and that of the period after it (all time has
-- neither before nor after)
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
        {%- for count in counts %},
        {{ 'cells.' ~ count if side == 'period_start' else 0 }} as {{ count }},
        {{ 'cells.' ~ count if side == 'previous_start' else 0 }} as compared_{{ count }}
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
        {%- for count in counts + compared_counts %},
        cast(sum({{ count }}) as bigint) as {{ count }}
        {%- endfor %}
    from sides
    group by time_grain, period_start, previous_start, period_end, basis, metric, survey_type, dimension, segment
),

-- the rest is the total without the segment, never the total that contains it
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
        {%- for count in counts %},
        cells.{{ count }}
        {%- endfor %}
        {%- for count in counts %},
        totals.{{ count }} - cells.{{ count }} as compared_{{ count }}
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

pairs as (
    select * from changes
    union all
    select * from rests
),

weighed as (
    select
        *,
        promoters + passives + detractors as responses,
        compared_promoters + compared_passives + compared_detractors as compared_responses,
        {{ nps(*counts) }} as raw_nps,
        {{ nps(*compared_counts) }} as raw_compared_nps,
        sum(promoters + passives + detractors) over dimension_total as total_responses,
        sum(compared_promoters + compared_passives + compared_detractors) over dimension_total as total_compared_responses
    from pairs
    window dimension_total as (partition by {{ family | join(', ') }})
),

shared as (
    select
        *,
        1.0 * responses / nullif(total_responses, 0) as share,
        1.0 * compared_responses / nullif(total_compared_responses, 0) as compared_share
    from weighed
),

-- counts stay where a side is smaller than min_group_size, its figures go
tested as (
    select
        shared.*,
        shared.period_end <= workspace.as_of_on as is_complete,
        case when shared.responses >= workspace.min_group_size then shared.raw_nps end as nps,
        case when shared.compared_responses >= workspace.min_group_size then shared.raw_compared_nps end as compared_nps,
        case
            when shared.responses >= workspace.min_group_size and shared.compared_responses >= workspace.min_group_size
                then shared.raw_nps - shared.raw_compared_nps
        end as change,
        case
            when shared.responses >= workspace.min_group_size and shared.compared_responses >= workspace.min_group_size
                then {{ difference_standard_error(counts, compared_counts, priors) }}
        end as standard_error,
        case
            when shared.responses >= workspace.min_group_size and shared.compared_responses >= workspace.min_group_size
                then {{ difference_z(counts, compared_counts, priors) }}
        end as z,
        -- effects are parts of the total's change: they are told where that is
        shared.comparison = 'previous_period'
        and shared.total_responses >= workspace.min_group_size
        and shared.total_compared_responses >= workspace.min_group_size as has_effects
    from shared
    inner join metrics on shared.metric = metrics.metric
    cross join workspace
),

judged as (
    select
        *,
        {{ two_sided_p('z') }} as p_value
    from tested
),

{{ benjamini_hochberg('judged', 'p_value', family) }},

-- a segment without answers in one of the periods has no score there and takes the other's: what it
-- brings or takes is all mix
final as (
    select
        comparison,
        time_grain,
        period_start,
        compared_period_start,
        is_complete,
        basis,
        metric,
        survey_type,
        dimension,
        segment,
        responses,
        nps,
        compared_responses,
        compared_nps,
        change,
        standard_error,
        z,
        p_value,
        comparisons,
        p_adjusted,
        p_adjusted <= {{ assumption('significance_level') }} as is_significant,
        case
            when has_effects
                then
                    (share + compared_share) / 2
                    * (coalesce(raw_nps, raw_compared_nps) - coalesce(raw_compared_nps, raw_nps))
        end as rate_effect,
        case
            when has_effects
                then
                    (coalesce(raw_nps, raw_compared_nps) + coalesce(raw_compared_nps, raw_nps)) / 2
                    * (share - compared_share)
        end as mix_effect
    from adjusted
)

select * from final
