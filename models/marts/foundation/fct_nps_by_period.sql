with days as (
    select * from {{ ref('int_nps_days_counted') }}
    where dimension = 'all'
),

{{ count_periods('days') }},

{{ score_counts('counted') }}

select
    time_grain,
    period_start,
    period_end,
    basis,
    metric,
    survey_type,
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
