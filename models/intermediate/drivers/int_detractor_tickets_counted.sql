{{ config(materialized='view') }}
{%- set attributes = dict(zip(dimensions() | list, dimensions() | list)) %}

with detractors as (
    select
        chosen.*,
        cast(kpis.y as bigint) as tickets
    from {{ ref('int_driver_answers_chosen') }} as chosen
    inner join {{ ref('int_customer_kpis_listed') }} as kpis on chosen.voice_key = kpis.customer_key
    where chosen.contribution < 0 and kpis.kpi = 'tickets' and kpis.y is not null
)

select
    metric,
    survey_type,
    {{ grouped_dimension(attributes) }} as attribute,
    {{ grouped_dimension(attributes, value=true) }} as level,
    cast(count(*) as bigint) as customers,
    cast(sum(tickets) as bigint) as tickets,
    cast(sum(tickets * tickets) as bigint) as squares
from detractors
group by grouping sets (
    (metric, survey_type){% for attribute in attributes %},
    (metric, survey_type, {{ attribute }})
    {%- endfor %}
)
