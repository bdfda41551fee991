{%- set cell = ['metric', 'survey_type', 'nps_class', 'measure'] -%}

with amounts as (
    select * from {{ ref('int_lift_amounts_summed') }}
),

-- every class that any answer has, also one without a first answer
classes as (
    select distinct
        metric,
        survey_type,
        nps_class
    from {{ ref('fct_nps_churn') }}
),

measures as (
    select distinct
        metric,
        survey_type,
        measure
    from amounts
),

cells as (
    select
        classes.metric,
        classes.survey_type,
        classes.nps_class,
        measures.measure
    from classes
    inner join measures on classes.metric = measures.metric and classes.survey_type = measures.survey_type
),

summed as (
    select
        {{ cell | join(', ') }},
        count(*) as customers,
        sum(case when is_delivered then 1 else 0 end) as delivered,
        sum(case when is_observed then 1 else 0 end) as observed,
        case when count(amount) = sum(case when is_observed then 1 else 0 end) then {{ exact_sum('amount') }} end as total
    from amounts
    where may_be_active
    group by {{ cell | join(', ') }}
),

-- the sample deviation in a second pass: exact, so that it does not depend on the order of rows
spread as (
    select
        {%- for column in cell %}
        amounts.{{ column }},
        {%- endfor %}
        sqrt({{ exact_sum('power(amounts.amount - summed.total / summed.observed, 2)') }} / nullif(count(amounts.amount) - 1, 0)) as deviation
    from amounts
    inner join summed
        on
            {%- for column in cell %}
            {{ 'and ' if not loop.first }}amounts.{{ column }} = summed.{{ column }}
            {%- endfor %}
    where amounts.is_observed
    group by {% for column in cell %}amounts.{{ column }}{{ ', ' if not loop.last }}{% endfor %}
),

final as (
    select
        {%- for column in cell %}
        cells.{{ column }},
        {%- endfor %}
        coalesce(summed.customers, 0) as customers,
        cast(coalesce(summed.delivered, 0) as bigint) as delivered,
        cast(coalesce(summed.observed, 0) as bigint) as observed,
        summed.total,
        spread.deviation
    from cells
    {%- for relation in ['summed', 'spread'] %}
    left join {{ relation }}
        on
            {%- for column in cell %}
            {{ 'and ' if not loop.first }}cells.{{ column }} = {{ relation }}.{{ column }}
            {%- endfor %}
    {%- endfor %}
)

select * from final
