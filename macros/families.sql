{#- Many tests at once: the expected share of false alarms among those called significant is held at
    the level, where a test alone would be. Source: Benjamini and Hochberg 1995 (step-up). From a
    relation's p-values to `adjusted`, its columns with comparisons (the p-values of the row's family)
    and p_adjusted: the least p_j m / rank_j of all p_j from the row's own upwards, the last of which
    is p m / m, so that it is never more than 1. A NULL p stays NULL and counts for nothing; equal
    p-values share one p_adjusted, whichever rank they drew. -#}
{% macro benjamini_hochberg(relation, p, family) -%}
ranked as (
    select
        *,
        cast(count({{ p }}) over (partition by {{ family | join(', ') }}) as bigint) as comparisons,
        row_number() over (
            partition by {{ family | join(', ') }}, {{ p }} is null
            order by {{ p }} asc
        ) as p_rank
    from {{ relation }}
),

adjusted as (
    select
        *,
        case
            when {{ p }} is not null
                then least(1.0, min({{ p }} * comparisons / p_rank) over (
                    partition by {{ family | join(', ') }}, {{ p }} is null
                    order by {{ p }} desc
                ))
        end as p_adjusted
    from ranked
)
{%- endmacro %}
