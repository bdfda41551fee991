{%- set prior = assumption('proactive_prior_customers') -%}

with counted as (
    select
        nps_class,
        signal,
        {%- for part in ['learned', 'held_back'] %}
        count(case when part = '{{ part }}' then 1 end) as {{ part }},
        count(case when part = '{{ part }}' and has_left then 1 end) as {{ part }}_left,
        {%- endfor %}
        count(distinct case when part = 'held_back' then as_of_on end) as held_back_months
    from {{ ref('int_proactive_signals_judged') }}
    group by nps_class, signal
),

totalled as (
    select
        *,
        learned + held_back as similar_customers,
        learned_left + held_back_left as similar_left,
        1e0 * sum(learned_left) over () / nullif(sum(learned) over (), 0) as learned_share,
        1e0 * sum(learned_left + held_back_left) over () / nullif(sum(learned + held_back) over (), 0) as overall_share
    from counted
)

-- the mean of a beta distribution whose prior is worth so many customers, of whom the share of all left
select
    nps_class,
    signal,
    cast(held_back as bigint) as held_back,
    cast(held_back_left as bigint) as held_back_left,
    cast(held_back_months as int) as held_back_months,
    (learned_left + {{ prior }} * learned_share) / (learned + {{ prior }}) as learned_chance,
    cast(similar_customers as bigint) as similar_customers,
    cast(similar_left as bigint) as similar_left,
    overall_share,
    similar_customers + {{ prior }} as weight,
    similar_left + {{ prior }} * overall_share as weight_left
from totalled
