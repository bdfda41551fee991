{%- set cell = ['source', 'metric', 'survey_type', 'period_start', 'period_end', 'dimension', 'segment'] -%}

with counted as (
    select
        {{ cell | join(', ') }},
        promoters,
        passives,
        detractors
    from {{ ref('int_score_summaries_versioned') }}
    where row_status = 'accepted'
),

{{ score_counts('counted') }}

select
    {{ cell | join(', ') }},
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
