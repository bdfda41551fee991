select
    coalesce(nps_class, 'all') as nps_class,
    coalesce(signal, 'all') as signal,
    people as customers,
    is_suppressed,
    hits as churned,
    mean_probability,
    share,
    ci_low,
    ci_high,
    brier_score,
    auc,
    auc_ci_low,
    auc_ci_high
from {{ ref('int_predictions_judged') }}
where outcome = 'churn'
