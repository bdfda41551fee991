{#- The time grains from one grain upwards, the fiscal ones last, if the workspace has them. -#}
{% macro time_grains(shortest='day') -%}
    {%- set calendar = ['day', 'week', 'month', 'quarter', 'year'] -%}
    {{ return(calendar[calendar.index(shortest):] + (['fiscal_quarter', 'fiscal_year'] if first_column('select fiscal_year_start from ' ~ of_lake('workspace')) | first else [])) }}
{%- endmacro %}

{#- From counts to scores: the CTE `scored`, the relation's columns with responses, nps,
    standard_error, ci_low, ci_high and is_suppressed. A cell smaller than min_group_size keeps its
    counts, which must add up to the totals, and loses its figures. Cells without answers are dropped. -#}
{% macro score_counts(relation) -%}
with_priors as (
    select
        {{ relation }}.*,
        {{ relation }}.promoters + {{ relation }}.passives + {{ relation }}.detractors as responses,
        {{ relation }}.promoters + {{ relation }}.passives + {{ relation }}.detractors < workspace.min_group_size as is_suppressed,
        metrics.top_prior,
        metrics.middle_prior,
        metrics.bottom_prior,
        {{ assumption('confidence_z') }} as z
    from {{ relation }}
    inner join {{ ref('metrics') }} as metrics on {{ relation }}.metric = metrics.metric
    cross join {{ source('raw', 'workspace') }} as workspace
    where {{ relation }}.promoters + {{ relation }}.passives + {{ relation }}.detractors > 0
),

scored as (
    select
        *,
        case when not is_suppressed then {{ nps('promoters', 'passives', 'detractors') }} end as nps,
        case when not is_suppressed then {{ nps_standard_error('promoters', 'passives', 'detractors', prior=['top_prior', 'middle_prior', 'bottom_prior']) }} end as standard_error,
        case
            when not is_suppressed
                then {{ nps_bound(-1, 'promoters', 'passives', 'detractors', 'z', 'top_prior', 'middle_prior', 'bottom_prior') }}
        end as ci_low,
        case
            when not is_suppressed
                then {{ nps_bound(1, 'promoters', 'passives', 'detractors', 'z', 'top_prior', 'middle_prior', 'bottom_prior') }}
        end as ci_high
    from with_priors
)
{%- endmacro %}
