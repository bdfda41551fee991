{%- set cell = ['metric', 'survey_type', 'nps_class', 'measure'] -%}
{%- set classes = ['own', 'passive'] -%}

with workspace as (
    select * from {{ source('raw', 'workspace') }}
),

strata as (
    select * from {{ ref('int_lift_strata_summed') }}
),

-- the customers at as_of; whose segment is unknown is of no stratum
base as (
    select
        base.dimension,
        base.segment,
        base.customers
    from {{ ref('int_customer_base_counted') }} as base
    inner join workspace on base.as_of_on = workspace.as_of_on
    where base.segment <> '(unknown)'
),

-- of a class and of the passives, in each segment of the base
compared as (
    select
        {%- for column in cell %}
        cells.{{ column }},
        {%- endfor %}
        segments.published_name as dimension,
        base.customers,
        own.observed,
        coalesce(
            least(own.observed, passive.observed) >= workspace.min_group_size
            and own.deviation is not null and passive.deviation is not null, false
        ) as is_covered
        {%- for class in classes %},
        {{ class }}.observed - 1 as {{ class }}_degrees,
        {{ class }}.total / {{ class }}.observed as {{ class }}_mean,
        {{ class }}.deviation * {{ class }}.deviation / {{ class }}.observed as {{ class }}_variance
        {%- endfor %}
    from {{ ref('int_lift_classes_summed') }} as cells
    cross join workspace
    cross join {{ source('raw', 'segments') }} as segments
    left join base on segments.published_name = base.dimension
    {%- for class in classes %}
    left join strata as {{ class }}
        on
            cells.metric = {{ class }}.metric
            and cells.survey_type = {{ class }}.survey_type
            and {{ 'cells.nps_class' if class == 'own' else "'passive'" }} = {{ class }}.nps_class
            and cells.measure = {{ class }}.measure
            and base.dimension = {{ class }}.dimension
            and base.segment = {{ class }}.segment
    {%- endfor %}
),

-- each stratum weighs what it is of the covered base
weighted as (
    select
        *,
        case when is_covered then 1e0 * customers / sum(case when is_covered then customers end) over same_cell end as weight
    from compared
    window same_cell as (partition by {{ cell | join(', ') }}, dimension)
),

-- and contributes a part of the variance
shared as (
    select
        *
        {%- for class in classes %},
        weight * weight * {{ class }}_variance
        / nullif({{ exact_sum('weight * weight * ' ~ class ~ '_variance', 'over same_cell') }}, 0) as {{ class }}_part
        {%- endfor %}
    from weighted
    window same_cell as (partition by {{ cell | join(', ') }}, dimension)
),

summed as (
    select
        {{ cell | join(', ') }},
        dimension,
        cast(coalesce(sum(observed), 0) as bigint) as observed,
        cast(coalesce(sum(customers), 0) as bigint) as base_customers,
        cast(sum(case when is_covered then customers else 0 end) as bigint) as covered_customers
        {%- for class in classes %},
        {{ exact_sum('weight * ' ~ class ~ '_mean') }} as {{ class }}_mean,
        sqrt({{ exact_sum('weight * weight * ' ~ class ~ '_variance') }}) as {{ class }}_error,
        -- Satterthwaite 1946: of a sum of variances that have their own degrees of freedom
        1 / nullif({{ exact_sum(class ~ '_part * ' ~ class ~ '_part / nullif(' ~ class ~ '_degrees, 0)') }}, 0) as {{ class }}_degrees
        {%- endfor %}
    from shared
    group by {{ cell | join(', ') }}, dimension
),

final as (
    select
        {{ cell | join(', ') }},
        dimension,
        observed,
        1e0 * covered_customers / nullif(base_customers, 0) as covered_share,
        {%- for column, published in {
            'own_mean': 'mean', 'own_error': 'standard_error', 'own_degrees': 'degrees', 'passive_mean': 'passive_mean',
            'passive_error': 'passive_standard_error', 'passive_degrees': 'passive_degrees',
        }.items() %}
        case when covered_customers >= {{ assumption('min_standardised_share') }} * base_customers then {{ column }} end as {{ published }}{{ ',' if not loop.last }}
        {%- endfor %}
    from summed
)

select * from final
