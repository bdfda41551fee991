{{ config(materialized='view') }}

with latest as (
    select
        voice_key,
        metric,
        survey_type,
        cast(score as double) as score
    from {{ ref('int_answers_followed') }}
    where next_on is null
),

months as (
    select
        scored.period_start,
        scored.metric,
        scored.survey_type,
        scored.nps as score
    from {{ ref('int_periods_scored') }} as scored
    cross join {{ source('raw', 'workspace') }} as workspace
    where
        scored.time_grain = 'month'
        and scored.basis = 'customers'
        and scored.dimension = 'all'
        and scored.period_end <= workspace.as_of_on
),

-- a month between the first and the last in which something happened had none of it
spans as (
    select
        kpi,
        min(period_start) as first_start,
        max(period_start) as last_start
    from {{ ref('int_month_kpis_summed') }}
    group by kpi
),

paired as (
    select
        'customer' as level,
        latest.metric,
        latest.survey_type,
        kpis.kpi,
        cast(null as {{ dbt.type_string() }}) as kpi_survey_type,
        latest.score as x,
        kpis.y
    from latest
    inner join {{ ref('int_customer_kpis_listed') }} as kpis on latest.voice_key = kpis.customer_key

    union all

    select
        'month' as level,
        months.metric,
        months.survey_type,
        spans.kpi,
        cast(null as {{ dbt.type_string() }}) as kpi_survey_type,
        months.score as x,
        coalesce(kpis.y, 0e0) as y
    from months
    inner join spans on months.period_start between spans.first_start and spans.last_start
    left join {{ ref('int_month_kpis_summed') }} as kpis on spans.kpi = kpis.kpi and months.period_start = kpis.period_start

    {%- for level, scores, key in [('customer', 'latest', 'voice_key'), ('month', 'months', 'period_start')] %}

    union all

    select
        '{{ level }}' as level,
        {{ scores }}.metric,
        {{ scores }}.survey_type,
        other.metric as kpi,
        other.survey_type as kpi_survey_type,
        {{ scores }}.score as x,
        other.score as y
    from {{ scores }}
    inner join {{ scores }} as other
        on
            {{ scores }}.{{ key }} = other.{{ key }}
            and ({{ scores }}.metric <> other.metric or {{ scores }}.survey_type <> other.survey_type)
    {%- endfor %}
)

select * from paired
where x is not null and y is not null
