-- Over a dimension's segments rate and mix effects add up to the total's change.
with totals as (
    select * from {{ ref('nps_change_significance') }}
    where comparison = 'previous_period' and dimension = 'all'
),

parts as (
    select
        time_grain,
        period_start,
        basis,
        metric,
        survey_type,
        dimension,
        sum(rate_effect + mix_effect) as change
    from {{ ref('nps_change_significance') }}
    where comparison = 'previous_period'
    group by time_grain, period_start, basis, metric, survey_type, dimension
)

select
    parts.*,
    totals.change as total_change
from parts
left join totals
    on
        parts.time_grain = totals.time_grain
        and parts.period_start = totals.period_start
        and parts.basis = totals.basis
        and parts.metric = totals.metric
        and parts.survey_type = totals.survey_type
where
    totals.period_start is null
    or (parts.change is null) <> (totals.change is null)
    or abs(parts.change - totals.change) > 0.000000001
