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
from {{ ref('int_periods_scored') }}
where dimension <> 'all'
