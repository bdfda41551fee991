with counted as (
    select
        source,
        metric,
        survey_type,
        period_start,
        period_end,
        dimension,
        segment,
        promoters,
        passives,
        detractors
    from {{ ref('int_score_summaries_versioned') }}
    where row_status = 'accepted'
),

{{ score_counts('counted') }}

select
    source,
    metric,
    survey_type,
    period_start,
    period_end,
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
from scored
