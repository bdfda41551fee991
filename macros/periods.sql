{#- From counted days (int_nps_days_counted) to periods: `counted`, one row for each time grain, period,
    basis, metric, survey type, dimension and segment. The grain `all` spans from the metric's first
    answer to its last, so that both bases and every segment share one period. -#}
{% macro count_periods(days) -%}
spans as (
    select
        metric,
        survey_type,
        min(responded_on) as first_on,
        max(responded_on) as last_on
    from {{ ref('int_nps_days_counted') }}
    where dimension = 'all'
    group by metric, survey_type
),

counted as (
    {%- for grain in ['day', 'week', 'month', 'quarter', 'year', 'all'] %}
    {%- for basis in ['responses', 'customers'] %}
    {%- set scope = 'responses' if basis == 'responses' else grain %}
    {%- set start = 'spans.first_on' if grain == 'all' else period_start(grain, 'days.responded_on') %}
    select
        '{{ grain }}' as time_grain,
        {{ start }} as period_start,
        {% if grain == 'all' -%}
        spans.last_on
        {%- elif grain == 'day' -%}
        days.responded_on
        {%- else -%}
        {{ days_after(dbt.dateadd(grain, 1, start), -1) }}
        {%- endif %} as period_end,
        '{{ basis }}' as basis,
        days.metric,
        days.survey_type,
        days.dimension,
        days.segment,
        cast(sum(days.promoters_{{ scope }}) as bigint) as promoters,
        cast(sum(days.passives_{{ scope }}) as bigint) as passives,
        cast(sum(days.detractors_{{ scope }}) as bigint) as detractors
    from {{ days }} as days
    inner join spans on days.metric = spans.metric and days.survey_type = spans.survey_type
    group by 1, 2, 3, 4, 5, 6, 7, 8
    {%- if not (loop.last and grain == 'all') %}

    union all
    {%- endif %}
    {%- endfor %}
    {%- endfor %}
)
{%- endmacro %}

{#- From counts to scores: `scored`, the relation's columns with responses, nps, standard_error,
    ci_low, ci_high and is_suppressed. A cell smaller than min_group_size keeps its counts, which
    must add up to the totals, and loses its figures. A cell without answers is left out. -#}
{% macro score_counts(relation) -%}
weighed as (
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
        case when not is_suppressed then {{ nps_standard_error('promoters', 'passives', 'detractors') }} end as standard_error,
        case
            when not is_suppressed
                then {{ nps_bound(-1, 'promoters', 'passives', 'detractors', 'z', 'top_prior', 'middle_prior', 'bottom_prior') }}
        end as ci_low,
        case
            when not is_suppressed
                then {{ nps_bound(1, 'promoters', 'passives', 'detractors', 'z', 'top_prior', 'middle_prior', 'bottom_prior') }}
        end as ci_high
    from weighed
)
{%- endmacro %}
