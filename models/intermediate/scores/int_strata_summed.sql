{%- set series = ['time_grain', 'period_start', 'period_end', 'basis', 'metric', 'survey_type', 'dimension'] -%}
{%- set counts = ['promoters', 'passives', 'detractors'] -%}
{%- set adjusted = ['(promoters + added_responses * promoter_share)', '(passives + added_responses * passive_share)', '(detractors + added_responses * detractor_share)'] -%}
{%- set over = 'over (partition by ' ~ series | join(', ') ~ ')' -%}

-- customers have no channel, touchpoint or survey to be weighted by: those belong to answers
with cells as (
    select * from {{ ref('int_periods_scored') }}
    where dimension in (select published_name from {{ source('raw', 'segments') }})
),

base as (
    select * from {{ ref('int_customer_base_counted') }}
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
        metrics.top_prior + metrics.middle_prior + metrics.bottom_prior as added_responses,
        totals.base_customers,
        cast(coalesce(base.customers, 0) as double) as customers
    from cells
    cross join {{ source('raw', 'workspace') }} as workspace
    inner join {{ ref('metrics') }} as metrics on cells.metric = metrics.metric and metrics.population = 'customers'
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

-- the classes as if the segments had answered in the proportions of the base
shared as (
    select
        *
        {%- for class in counts %},
        {{ exact_sum('customers * ' ~ class ~ ' / responses', over) }} / nullif({{ exact_sum('customers', over) }}, 0) as {{ class[:-1] }}_share
        {%- endfor %}
    from strata
),

-- A segment of few answers that agree is not certain: for the interval its variance is taken with the
-- metric's prior answers added, in the proportions of the whole; one degree of freedom is its own mean.
varied as (
    select
        *,
        power({{ nps_standard_error(*counts) }} / 100e0, 2) as variance_of_mean,
        power({{ nps_standard_error(*adjusted) }} / 100e0, 2) * power(responses + added_responses, 2) / (responses + added_responses - 1) / responses as adjusted_variance_of_mean,
        -- where everybody answered, nothing is left to chance
        case when customers > responses then (customers - responses) / (customers - 1) else 0e0 end as finite_share
    from shared
),

summed as (
    select
        {{ series | join(', ') }},
        base_customers,
        cast(sum(responses) as bigint) as responses
        {%- for class in counts %},
        cast(sum({{ class }}) as bigint) as {{ class }},
        max({{ class[:-1] }}_share) as {{ class[:-1] }}_share
        {%- endfor %},
        {{ exact_sum('customers') }} as covered_customers,
        {{ exact_sum('customers * customers / responses') }} as squared_weights,
        {{ exact_sum('customers * customers * finite_share / responses') }} as finite_squared_weights,
        {{ exact_sum('customers * customers * variance_of_mean') }} as squared_variance,
        {{ exact_sum('customers * customers * adjusted_variance_of_mean') }} as squared_adjusted_variance,
        max(customers / responses) as largest_customers,
        sum(case when customers > 0 then responses else 0 end) as weighted_responses
    from varied
    group by {{ series | join(', ') }}, base_customers
),

-- Kish: of weights w, the answers are worth (sum w)^2 / sum w^2
final as (
    select
        {{ series | join(', ') }},
        base_customers,
        covered_customers / nullif(base_customers, 0) as covered_share,
        responses,
        promoters,
        passives,
        detractors,
        promoter_share,
        passive_share,
        detractor_share,
        covered_customers * covered_customers / nullif(squared_weights, 0) as effective_responses,
        squared_variance / nullif(covered_customers * covered_customers, 0) as variance,
        squared_adjusted_variance / nullif(covered_customers * covered_customers, 0) as adjusted_variance,
        sqrt(finite_squared_weights / nullif(squared_weights, 0)) as finite_factor,
        largest_customers * weighted_responses / nullif(covered_customers, 0) as largest_weight,
        0e0 as margin_error,
        true as is_converged
    from summed
)

select * from final
