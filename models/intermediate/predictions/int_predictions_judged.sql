-- people from whom nothing was learned, by the probability that they were given
with predicted as (
    select
        'promoter' as outcome,
        cast(null as {{ dbt.type_string() }}) as nps_class,
        cast(null as {{ dbt.type_string() }}) as signal,
        probability,
        1 as turns,
        count(*) as people,
        sum(case when is_promoter then 1 else 0 end) as hits
    from {{ ref('int_lead_likeness_summed') }}
    where sample = 'held_back' and probability is not null
    group by probability

    union all

    select
        'churn' as outcome,
        nps_class,
        signal,
        learned_chance as probability,
        held_back_months as turns,
        held_back as people,
        held_back_left as hits
    from {{ ref('int_proactive_chances_estimated') }}
    where held_back > 0 and learned_chance is not null
),

-- equal probabilities share the mean of their ranks
ranked as (
    select
        *,
        sum(people) over (partition by outcome order by probability asc nulls last)
        - (sum(people) over (partition by outcome, probability) - 1) / 2e0 as mean_rank,
        sum(people) over (partition by outcome) as all_people
    from predicted
),

banded as (
    select
        *,
        case
            when outcome = 'promoter'
                then cast(1 + floor({{ assumption('lead_calibration_bands') }} * (mean_rank - 1 / 2e0) / all_people) as int)
        end as band
    from ranked
),

counted as (
    select
        outcome,
        grouping(band) = 1 as is_total,
        nps_class,
        signal,
        band,
        max(turns) as turns,
        sum(people) as people,
        sum(hits) as hits,
        -- sums of doubles depend on the order of rows
        round(sum(people * probability) / sum(people), 10) as mean_probability,
        sum(hits * mean_rank) as hit_ranks,
        round(sum(hits * power(1 - probability, 2) + (people - hits) * power(probability, 2)) / sum(people), 10) as brier_score
    from banded
    group by grouping sets ((outcome), (outcome, nps_class, signal, band))
),

-- how often one who came true has the higher probability of two; each person is in a group once a turn at most
measured as (
    select
        counted.*,
        counted.people < workspace.min_group_size * counted.turns as is_suppressed,
        1e0 * counted.hits / counted.people as share,
        case
            when counted.is_total
                then (counted.hit_ranks - counted.hits * (counted.hits + 1) / 2e0)
                / nullif(1e0 * counted.hits * (counted.people - counted.hits), 0)
        end as auc,
        {{ assumption('confidence_z') }} as quantile
    from counted
    cross join {{ source('raw', 'workspace') }} as workspace
),

varied as (
    select
        *,
        sqrt((
            auc * (1 - auc)
            + (hits - 1) * (auc / (2 - auc) - auc * auc)
            + (people - hits - 1) * (2 * auc * auc / (1 + auc) - auc * auc)
        ) / (1e0 * hits * (people - hits))) as auc_error
    from measured
)

select
    outcome,
    is_total,
    nps_class,
    signal,
    band,
    cast(people as bigint) as people,
    is_suppressed,
    case when not is_suppressed then cast(hits as bigint) end as hits,
    case when not is_suppressed then mean_probability end as mean_probability,
    case when not is_suppressed then share end as share,
    case when not is_suppressed then {{ share_bound(-1, 'hits', 'people', 'quantile') }} end as ci_low,
    case when not is_suppressed then {{ share_bound(1, 'hits', 'people', 'quantile') }} end as ci_high,
    case when not is_suppressed then brier_score end as brier_score,
    case when not is_suppressed then auc end as auc,
    case when not is_suppressed and auc_error > 0 then greatest(0e0, auc - quantile * auc_error) end as auc_ci_low,
    case when not is_suppressed and auc_error > 0 then least(1e0, auc + quantile * auc_error) end as auc_ci_high
from varied
