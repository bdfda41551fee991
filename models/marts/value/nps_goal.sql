with cells as (
    select * from {{ ref('int_periods_scored') }}
    where time_grain not in ('day', 'week')
),

-- the latest period in which anybody answered
latest as (
    select
        time_grain,
        basis,
        metric,
        survey_type,
        max(period_start) as period_start
    from cells
    where dimension = 'all'
    group by time_grain, basis, metric, survey_type
),

-- in points, not fractions: 55 n is exact in doubles and 0.55 n is not
aimed as (
    select
        cells.*,
        targets.target,
        targets.target * cells.responses - 100e0 * (cells.promoters - cells.detractors) as missing_points
    from cells
    inner join latest
        on
            cells.time_grain = latest.time_grain
            and cells.period_start = latest.period_start
            and cells.basis = latest.basis
            and cells.metric = latest.metric
            and cells.survey_type = latest.survey_type
    inner join {{ ref('nps_targets') }} as targets on cells.metric = targets.metric
),

-- A new promoter brings 100 - target points (none at a target of 100), a converted detractor 200. A
-- target with decimals leaves rounding errors, which are removed before anything is rounded up.
needed as (
    select
        *,
        cast(case
            when is_suppressed then null
            when missing_points <= 0 then 0
            else ceil(round(missing_points / nullif(round(100e0 - target, 6), 0), 6))
        end as bigint) as promoters_needed,
        cast(case
            when is_suppressed then null
            when missing_points <= 0 then 0
            else ceil(round(missing_points / 200e0, 6))
        end as bigint) as detractors_to_convert,
        cast(case
            when not is_suppressed
                then greatest(0e0, ceil(round({{ assumption('promoters_per_detractor') }} * detractors - promoters, 6)))
        end as bigint) as promoters_to_offset
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
    from needed
)

select * from final
