{%- set arms = ['listed', 'held_out'] -%}
{%- set shares = {'answered_again': ('answered', 'customers'), 'recovered': ('recovered', 'answered'), 'retained': ('retained', 'observed')} -%}

with customers as (
    select
        summed.*,
        metrics.top_prior_of_two,
        metrics.middle_prior_of_two,
        metrics.bottom_prior_of_two,
        workspace.min_group_size,
        {{ assumption('confidence_z') }} as z
    from {{ ref('int_effect_customers_summed') }} as summed
    inner join {{ ref('metrics') }} as metrics on summed.metric = metrics.metric
    cross join {{ source('raw', 'workspace') }} as workspace
),

-- the score at the next answer, and each adjusted as for a comparison of two groups
adjusted as (
    select
        *
        {%- for arm in arms %}
        {%- for class, prior in {'promoters': 'top', 'passives': 'middle', 'detractors': 'bottom'}.items() %},
        {{ arm }}_{{ class }} + {{ prior }}_prior_of_two as {{ arm }}_adjusted_{{ class }}
        {%- endfor %}
        {%- endfor %}
    from customers
),

measured as (
    {%- for measure, (k, n) in shares.items() %}
    select
        metric,
        survey_type,
        nps_class,
        '{{ measure }}' as measure,
        listed_customers,
        listed_contacted,
        held_out_customers,
        held_out_contacted,
        min_group_size,
        {%- for arm in arms %}
        {{ arm }}_{{ n }} as {{ arm }}_observed,
        1e0 * {{ arm }}_{{ k }} / nullif({{ arm }}_{{ n }}, 0) as {{ arm }}_value,
        1e0 * {{ arm }}_{{ k }} / nullif({{ arm }}_{{ n }}, 0) as {{ arm }}_centre,
        {{ share_bound(-1, arm ~ '_' ~ k, arm ~ '_' ~ n, 'z') }} as {{ arm }}_low,
        {{ share_bound(1, arm ~ '_' ~ k, arm ~ '_' ~ n, 'z') }} as {{ arm }}_high{{ ',' if not loop.last }}
        {%- endfor %}
    from customers

    union all
    {% endfor %}
    select
        metric,
        survey_type,
        nps_class,
        'next_nps' as measure,
        listed_customers,
        listed_contacted,
        held_out_customers,
        held_out_contacted,
        min_group_size,
        {%- for arm in arms %}
        {%- set counts = [arm ~ '_promoters', arm ~ '_passives', arm ~ '_detractors'] %}
        {%- set around = [arm ~ '_adjusted_promoters', arm ~ '_adjusted_passives', arm ~ '_adjusted_detractors'] %}
        {{ arm }}_answered as {{ arm }}_observed,
        {{ nps(*counts) }} as {{ arm }}_value,
        {{ nps(*around) }} as {{ arm }}_centre,
        {{ nps(*around) }} - z * {{ nps_standard_error(*around) }} as {{ arm }}_low,
        {{ nps(*around) }} + z * {{ nps_standard_error(*around) }} as {{ arm }}_high{{ ',' if not loop.last }}
        {%- endfor %}
    from adjusted
),

judged as (
    select
        *,
        least(listed_observed, held_out_observed) < min_group_size as is_suppressed
    from measured
)

select
    metric,
    survey_type,
    nps_class,
    measure,
    listed_customers,
    listed_contacted,
    held_out_customers,
    held_out_contacted,
    listed_observed,
    held_out_observed,
    case when not is_suppressed then listed_value end as listed_value,
    case when not is_suppressed then held_out_value end as held_out_value,
    case when not is_suppressed then listed_value - held_out_value end as difference,
    -- each side's own distance to its bound, squared and added up (Newcombe 1998, method 10)
    case when not is_suppressed then listed_centre - held_out_centre - sqrt(power(listed_centre - listed_low, 2) + power(held_out_high - held_out_centre, 2)) end as ci_low,
    case when not is_suppressed then listed_centre - held_out_centre + sqrt(power(listed_high - listed_centre, 2) + power(held_out_centre - held_out_low, 2)) end as ci_high,
    is_suppressed
from judged
