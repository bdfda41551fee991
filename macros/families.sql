{#- Correction for many tests: among the differences called significant, the expected share of false
    ones stays at the level (Benjamini and Hochberg 1995, step-up). Turns the relation into the CTE
    `adjusted`: its columns, comparisons (the p-values of the row's family) and p_adjusted, the least
    p_j m / rank_j over all p_j from the row's own upwards; the largest is p m / m, so that none
    exceeds 1. A NULL p stays NULL and is not counted; equal p-values share one p_adjusted, whatever
    their ranks. -#}
{% macro benjamini_hochberg(relation, p, family) -%}
ranked as (
    select
        *,
        cast(count({{ p }}) over (partition by {{ family | join(', ') }}) as bigint) as comparisons,
        row_number() over (
            partition by {{ family | join(', ') }}, {{ p }} is null
            order by {{ p }} asc nulls last
        ) as p_rank
    from {{ relation }}
),

adjusted as (
    select
        *,
        case
            when {{ p }} is not null
                then least(1e0, min({{ p }} * comparisons / p_rank) over (
                    partition by {{ family | join(', ') }}, {{ p }} is null
                    order by {{ p }} desc nulls last
                ))
        end as p_adjusted
    from ranked
)
{%- endmacro %}
