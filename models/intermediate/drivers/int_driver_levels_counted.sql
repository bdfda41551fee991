{%- set attributes = (dimensions() | list) + var('driver_classes') -%}

with counted as (
    select
        metric,
        survey_type,
        {{ grouped_dimension(dict(zip(attributes, attributes))) }} as attribute,
        {{ grouped_dimension(dict(zip(attributes, attributes)), value=true) }} as level,
        cast(sum(voices) as bigint) as voices,
        cast(sum(promoters) as bigint) as promoters,
        cast(sum(contributions) as bigint) as contributions
    from {{ ref('int_driver_cells_counted') }}
    group by grouping sets ({% for attribute in attributes %}(metric, survey_type, {{ attribute }}){{ ', ' if not loop.last }}{% endfor %})
),

ranked as (
    select
        *,
        count(*) over (partition by metric, survey_type, attribute) as levels,
        row_number() over (partition by metric, survey_type, attribute order by voices desc nulls last, level asc nulls last) as place
    from counted
    where level is not null
)

-- the most frequent levels stand for themselves
select
    metric,
    survey_type,
    attribute,
    level,
    place,
    case when least(place + 1, levels) <= {{ assumption('key_driver_levels') }} then level else '(other)' end as counted_level,
    voices,
    promoters,
    contributions
from ranked
