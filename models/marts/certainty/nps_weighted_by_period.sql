{%- set series = ['time_grain', 'period_start', 'period_end', 'basis', 'metric', 'survey_type', 'dimension'] -%}
{%- set counts = ['promoters', 'passives', 'detractors'] -%}
{%- set weighted_counts = ['weighted_promoters', 'weighted_passives', 'weighted_detractors'] -%}

with metrics as (
    select * from {{ ref('metrics') }}
    where population = 'customers'
),

-- customers have no channel, touchpoint or survey to be weighted by: those belong to answers
cells as (
    select * from {{ ref('int_periods_scored') }}
    where dimension in (select published_name from {{ source('raw', 'segments') }})
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
        cast(sum(customers) as bigint) as base_customers
    from base
    group by as_of_on, dimension
),

-- a segment's answers represent its customers at the period's end; a segment without customers has
-- no weight, one without answers is not covered
strata as (
    select
        {%- for column in series %}
        cells.{{ column }},
        {%- endfor %}
        cells.responses,
        cells.promoters,
        cells.passives,
        cells.detractors,
        totals.base_customers,
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
        {{ series | join(', ') }},
        base_customers,
        cast(sum(responses) as bigint) as responses,
        {{ exact_sum('customers') }} as covered_customers,
        {{ exact_sum('customers * customers / responses') }} as squared_weights
        {%- for class in counts %},
        sum({{ class }}) as {{ class }},
        {{ exact_sum('customers * ' ~ class ~ ' / responses') }} as customers_of_{{ class }}
        {%- endfor %}
    from strata
    group by {{ series | join(', ') }}, base_customers
),

-- Kish: of weights w, the answers are worth (sum w)^2 / sum w^2
effective as (
    select
        *,
        covered_customers * covered_customers / nullif(squared_weights, 0) as raw_effective_responses
    from summed
),

-- the answers as if the segments had answered in the proportions of the base
weighted as (
    select
        effective.*,
        effective.responses < workspace.min_group_size as is_suppressed
        {%- for class in counts %},
        effective.raw_effective_responses * effective.customers_of_{{ class }} / nullif(effective.covered_customers, 0) as weighted_{{ class }}
        {%- endfor %},
        metrics.top_prior,
        metrics.middle_prior,
        metrics.bottom_prior,
        {{ assumption('confidence_z') }} as z,
        {{ assumption('min_weighting_efficiency') }} as min_weighting_efficiency
    from effective
    inner join metrics on effective.metric = metrics.metric
    cross join workspace
),

final as (
    select
        {{ series | join(', ') }},
        base_customers,
        covered_customers / nullif(base_customers, 0) as covered_share,
        responses,
        case when not is_suppressed then {{ nps(*counts) }} end as nps,
        case when not is_suppressed then {{ nps(*weighted_counts) }} end as weighted_nps,
        case when not is_suppressed then raw_effective_responses end as effective_responses,
        case when not is_suppressed then raw_effective_responses / responses end as efficiency,
        case when not is_suppressed then raw_effective_responses / responses < min_weighting_efficiency end as is_inefficient,
        case when not is_suppressed then {{ nps_standard_error(*weighted_counts) }} end as standard_error,
        case when not is_suppressed then {{ nps_bound(-1, *weighted_counts, z='z', top_prior='top_prior', middle_prior='middle_prior', bottom_prior='bottom_prior') }} end as ci_low,
        case when not is_suppressed then {{ nps_bound(1, *weighted_counts, z='z', top_prior='top_prior', middle_prior='middle_prior', bottom_prior='bottom_prior') }} end as ci_high,
        is_suppressed
    from weighted
)

select * from final
