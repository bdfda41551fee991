{%- set prior = assumption('log_odds_prior') -%}

with totals as (
    select
        attribute,
        sum(promoters) + {{ prior }} * count(*) as promoters,
        sum(others) + {{ prior }} * count(*) as others
    from {{ ref('int_lead_levels_counted') }}
    group by attribute
)

select
    levels.attribute,
    levels.known_value,
    ln((levels.promoters + {{ prior }}) / totals.promoters) - ln((levels.others + {{ prior }}) / totals.others) as weight
from {{ ref('int_lead_levels_counted') }} as levels
inner join totals on levels.attribute = totals.attribute
inner join {{ ref('int_lead_attributes_judged') }} as judged
    on levels.attribute = judged.attribute and judged.left_out_because is null
