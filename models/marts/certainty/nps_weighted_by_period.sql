with cells as (
    select
        periods.*,
        metrics.top_prior,
        metrics.middle_prior,
        metrics.bottom_prior
    from {{ ref('fct_nps_by_segment_period') }} as periods
    inner join {{ ref('metrics') }} as metrics
        on periods.metric = metrics.metric and metrics.population = 'customers'
    -- channel, touchpoint and survey belong to answers: customers have none to be weighted by
    where periods.dimension in (select segment from {{ source('raw', 'segments') }})
),

base as (
    select * from {{ ref('int_customer_base_counted') }}
),

workspace as (
    select * from {{ source('raw', 'workspace') }}
),

totals as (
    select
        as_of_on,
        dimension,
        cast(sum(customers) as bigint) as customers
    from base
    group by as_of_on, dimension
),

-- a segment's answers stand for its customers at the period's end; a segment without customers weighs
-- nothing, one without answers is not covered
strata as (
    select
        cells.time_grain,
        cells.period_start,
        cells.period_end,
        cells.basis,
        cells.metric,
        cells.survey_type,
        cells.dimension,
        cells.top_prior,
        cells.middle_prior,
        cells.bottom_prior,
        cells.responses,
        cells.promoters,
        cells.passives,
        cells.detractors,
        totals.customers as base_customers,
        cast(coalesce(base.customers, 0) as double) as customers
    from cells
    cross join workspace
    inner join totals
        on
            cells.dimension = totals.dimension
            and case when cells.period_end < workspace.as_of_on then cells.period_end else workspace.as_of_on end = totals.as_of_on
    left join base
        on
            totals.as_of_on = base.as_of_on
            and totals.dimension = base.dimension
            and cells.segment = base.segment
),

summed as (
    select
        time_grain,
        period_start,
        period_end,
        basis,
        metric,
        survey_type,
        dimension,
        top_prior,
        middle_prior,
        bottom_prior,
        base_customers,
        cast(sum(responses) as bigint) as responses,
        sum(promoters) as promoters,
        sum(passives) as passives,
        sum(detractors) as detractors,
        {{ exact_sum('customers') }} as covered_customers,
        {{ exact_sum('customers * promoters / responses') }} as promoting_customers,
        {{ exact_sum('customers * passives / responses') }} as passive_customers,
        {{ exact_sum('customers * detractors / responses') }} as detracting_customers,
        {{ exact_sum('customers * customers / responses') }} as squared_weights
    from strata
    group by
        time_grain,
        period_start,
        period_end,
        basis,
        metric,
        survey_type,
        dimension,
        top_prior,
        middle_prior,
        bottom_prior,
        base_customers
),

-- Kish: of weights w, the answers are worth (sum w)^2 / sum w^2
effective as (
    select
        *,
        covered_customers * covered_customers / nullif(squared_weights, 0) as effective_responses
    from summed
),

-- the answers as if the segments had been answered in the proportions of the base
weighted as (
    select
        effective.*,
        effective.responses < workspace.min_group_size as is_suppressed,
        effective.effective_responses * effective.promoting_customers / nullif(effective.covered_customers, 0) as top,
        effective.effective_responses * effective.passive_customers / nullif(effective.covered_customers, 0) as middle,
        effective.effective_responses * effective.detracting_customers / nullif(effective.covered_customers, 0) as bottom,
        {{ assumption('confidence_z') }} as z,
        {{ assumption('min_weighting_efficiency') }} as min_weighting_efficiency
    from effective
    cross join workspace
),

final as (
    select
        time_grain,
        period_start,
        period_end,
        basis,
        metric,
        survey_type,
        dimension,
        base_customers,
        covered_customers / nullif(base_customers, 0) as covered_share,
        responses,
        case when not is_suppressed then {{ nps('promoters', 'passives', 'detractors') }} end as nps,
        case when not is_suppressed then {{ nps('top', 'middle', 'bottom') }} end as weighted_nps,
        case when not is_suppressed then effective_responses end as effective_responses,
        case when not is_suppressed then effective_responses / responses end as efficiency,
        case when not is_suppressed then effective_responses / responses < min_weighting_efficiency end as is_inefficient,
        case when not is_suppressed then {{ nps_standard_error('top', 'middle', 'bottom') }} end as standard_error,
        case when not is_suppressed then {{ nps_bound(-1, 'top', 'middle', 'bottom', 'z', 'top_prior', 'middle_prior', 'bottom_prior') }} end as ci_low,
        case when not is_suppressed then {{ nps_bound(1, 'top', 'middle', 'bottom', 'z', 'top_prior', 'middle_prior', 'bottom_prior') }} end as ci_high,
        is_suppressed
    from weighted
)

select * from final
