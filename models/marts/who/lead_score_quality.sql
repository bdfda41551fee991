-- equal probabilities share the mean of their ranks
with ranked as (
    select
        *,
        rank() over (order by probability asc nulls last)
        + (count(*) over (partition by probability) - 1) / 2e0 as mean_rank,
        count(*) over () as people
    from {{ ref('int_lead_likeness_summed') }}
    where sample = 'held_back' and probability is not null
),

banded as (
    select
        *,
        cast(1 + floor({{ assumption('lead_calibration_bands') }} * (mean_rank - 1 / 2e0) / people) as int) as band
    from ranked
),

counted as (
    select
        band,
        count(*) as customers,
        sum(case when is_promoter then 1 else 0 end) as promoters,
        -- sums of doubles depend on the order of rows
        round(avg(probability), 10) as mean_probability,
        sum(case when is_promoter then mean_rank end) as promoter_ranks,
        round(avg(power(probability - case when is_promoter then 1 else 0 end, 2)), 10) as brier_score
    from banded
    group by grouping sets ((), (band))
),

-- how often a promoter has the higher probability of a promoter and another
measured as (
    select
        counted.*,
        counted.customers < workspace.min_group_size as is_suppressed,
        1e0 * counted.promoters / nullif(counted.customers, 0) as share,
        case
            when counted.band is null
                then (counted.promoter_ranks - counted.promoters * (counted.promoters + 1) / 2e0)
                / nullif(counted.promoters * (counted.customers - counted.promoters), 0)
        end as auc,
        {{ assumption('confidence_z') }} as quantile
    from counted
    cross join {{ source('raw', 'workspace') }} as workspace
    where counted.customers > 0
),

varied as (
    select
        *,
        sqrt((
            auc * (1 - auc)
            + (promoters - 1) * (auc / (2 - auc) - auc * auc)
            + (customers - promoters - 1) * (2 * auc * auc / (1 + auc) - auc * auc)
        ) / (promoters * (customers - promoters))) as auc_error
    from measured
)

select
    coalesce(cast(band as {{ dbt.type_string() }}), 'all') as band,
    cast(customers as bigint) as customers,
    is_suppressed,
    case when not is_suppressed then cast(promoters as bigint) end as promoters,
    case when not is_suppressed then mean_probability end as mean_probability,
    case when not is_suppressed then share end as share,
    case when not is_suppressed then {{ share_bound(-1, 'promoters', 'customers', 'quantile') }} end as ci_low,
    case when not is_suppressed then {{ share_bound(1, 'promoters', 'customers', 'quantile') }} end as ci_high,
    case when not is_suppressed then brier_score end as brier_score,
    case when not is_suppressed then auc end as auc,
    case when not is_suppressed and auc_error > 0 then greatest(0e0, auc - quantile * auc_error) end as auc_ci_low,
    case when not is_suppressed and auc_error > 0 then least(1e0, auc + quantile * auc_error) end as auc_ci_high
from varied
