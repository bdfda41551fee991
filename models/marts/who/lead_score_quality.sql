select
    coalesce(cast(band as {{ dbt.type_string() }}), 'all') as band,
    people as customers,
    is_suppressed,
    hits as promoters,
    mean_probability,
    share,
    ci_low,
    ci_high,
    brier_score,
    auc,
    auc_ci_low,
    auc_ci_high
from {{ ref('int_predictions_judged') }}
where outcome = 'promoter'
