{%- set counts = ['promoters', 'passives', 'detractors'] -%}

with totals as (
    select * from {{ ref('fct_nps_by_period') }}
    where time_grain in ('month', 'quarter', 'year', 'all')
),

segments as (
    select * from {{ ref('fct_nps_by_segment_period') }}
    where time_grain in ('month', 'quarter', 'year', 'all')
),

targets as (
    select
        metric,
        target
    from {{ ref('nps_targets') }}
),

-- the latest period in which anybody answered
latest as (
    select
        time_grain,
        basis,
        metric,
        survey_type,
        max(period_start) as period_start
    from totals
    group by time_grain, basis, metric, survey_type
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
        responses,
        promoters,
        passives,
        detractors,
        nps,
        is_suppressed
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
        responses,
        promoters,
        passives,
        detractors,
        nps,
        is_suppressed
    from segments
),

aimed as (
    select
        cells.*,
        targets.target
    from cells
    inner join latest
        on
            cells.time_grain = latest.time_grain
            and cells.period_start = latest.period_start
            and cells.basis = latest.basis
            and cells.metric = latest.metric
            and cells.survey_type = latest.survey_type
    inner join targets on cells.metric = targets.metric
),

missing as (
    select
        *,
        case when not is_suppressed then {{ promoters_needed(*counts, target='target') }} end as promoters_needed,
        case when not is_suppressed then {{ detractors_to_convert(*counts, target='target') }} end as detractors_to_convert,
        case
            when not is_suppressed
                then {{ promoters_to_offset('promoters', 'detractors', assumption('promoters_per_detractor')) }}
        end as promoters_to_offset
    from aimed
),

final as (
    select
        time_grain,
        period_start,
        basis,
        metric,
        survey_type,
        dimension,
        segment,
        target,
        responses,
        promoters,
        passives,
        detractors,
        nps,
        target - nps as gap,
        promoters_needed,
        detractors_to_convert,
        detractors_to_convert <= detractors as is_convertible,
        promoters_to_offset,
        is_suppressed
    from missing
)

select * from final
