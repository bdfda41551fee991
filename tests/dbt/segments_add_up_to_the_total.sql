-- A dimension's segments add up to the period's counts, in both bases.
with segments as (
    select
        time_grain,
        period_start,
        basis,
        metric,
        survey_type,
        dimension,
        sum(promoters) as promoters,
        sum(passives) as passives,
        sum(detractors) as detractors
    from {{ ref('fct_nps_by_segment_period') }}
    group by time_grain, period_start, basis, metric, survey_type, dimension
)

select segments.*
from segments
left join {{ ref('fct_nps_by_period') }} as periods
    on
        segments.time_grain = periods.time_grain
        and segments.period_start = periods.period_start
        and segments.basis = periods.basis
        and segments.metric = periods.metric
        and segments.survey_type = periods.survey_type
where
    periods.promoters is null
    or segments.promoters <> periods.promoters
    or segments.passives <> periods.passives
    or segments.detractors <> periods.detractors
