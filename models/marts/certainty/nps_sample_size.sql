with series as (
    select
        scored.metric,
        scored.survey_type,
        scored.responses,
        -- where all agreed there is none to plan by
        case
            when not scored.is_suppressed
                then nullif(scored.responses * {{ variance_of_mean('scored.promoters', 'scored.passives', 'scored.detractors', '0', '0', '0') }}, 0)
        end as observed_variance,
        -- half of the answers at either end
        case when metrics.bottom_prior = 0 then 1e0 / 4 else 1e0 end as largest_variance,
        metrics.top_prior + metrics.middle_prior + metrics.bottom_prior as priors,
        metrics.top_prior_of_two + metrics.middle_prior_of_two + metrics.bottom_prior_of_two as priors_of_two
    from {{ ref('int_periods_scored') }} as scored
    inner join {{ ref('metrics') }} as metrics on scored.metric = metrics.metric
    where scored.time_grain = 'all' and scored.basis = 'customers' and scored.dimension = 'all'
),

variances as (
    select 'observed' as variance_of
    union all
    select 'largest' as variance_of
),

asked as (
    select
        series.metric,
        series.survey_type,
        precisions.purpose,
        precisions.points,
        variances.variance_of,
        case variances.variance_of when 'observed' then series.observed_variance else series.largest_variance end as variance,
        case when variances.variance_of = 'observed' then series.responses end as responses,
        levels.significance_level,
        case when precisions.purpose = 'difference' then levels.power end as power,
        case precisions.purpose when 'margin' then levels.confidence_z else levels.detectable_errors end as z,
        case precisions.purpose when 'margin' then series.priors else series.priors_of_two end as priors
    from series
    cross join {{ ref('nps_precisions') }} as precisions
    cross join variances
    cross join {{ ref('int_test_levels_listed') }} as levels
),

needed as (
    select
        *,
        -- z^2 v / d^2, of a difference for each group and with the variances of both (any textbook; MeasuringU
        -- takes off what the adjusted-Wald method adds). Digits beyond those of doubles are no answer more
        round(power(z, 2) * case purpose when 'margin' then variance else 2 * variance end / power(points / 100e0, 2), 6) as answers
    from asked
)

select
    metric,
    survey_type,
    purpose,
    points,
    variance_of,
    responses,
    variance,
    case when purpose = 'difference' then significance_level end as significance_level,
    power,
    z,
    cast(ceil(answers) as bigint) as answers_needed,
    -- a survey of nobody says nothing, however little it takes; greatest would make 1 of NULL
    cast(case when answers - priors < 1 then 1 else ceil(answers - priors) end as bigint) as adjusted_answers_needed
from needed
