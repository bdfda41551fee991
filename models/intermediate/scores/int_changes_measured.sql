{#- what repeated answers add to a side's sums, and what voices add that answered within the segment and
    outside of it: both ways of pairing such answers, which the products already are -#}
{%- set repeats = {
    'repeats': 'own.outside_voices', 'repeated_weights': '2 * own.outside_weights',
    'repeated_products': 'own.outside_products', 'repeated_squares': '2 * own.outside_squares',
} -%}

with joined as (
    select
        pairs.*,
        pairs.promoters + pairs.passives + pairs.detractors as responses,
        pairs.compared_promoters + pairs.compared_passives + pairs.compared_detractors as compared_responses,
        {%- for sum, outside in repeats.items() %}
        coalesce(own.{{ sum }}, 0) as {{ sum }},
        -- the rest is the total without the segment and without the voices that are in both
        coalesce(other.{{ sum }}, 0)
        - case when pairs.comparison = 'rest_of_dimension' then coalesce(own.{{ sum }} + {{ outside }}, 0) else 0 end as compared_{{ sum }},
        {%- endfor %}
        coalesce(shared.shared_voices, 0) as shared_voices,
        coalesce(shared.moved_voices, 0) as moved_voices,
        {{ covariance('shared.shared_voices', 'shared.total', 'shared.compared_total', 'shared.products') }} as covariance,
        {{ covariance('shared.shared_voices', 'shared.total', 'shared.total', 'shared.squares') }} as shared_variance,
        {{ covariance('shared.shared_voices', 'shared.compared_total', 'shared.compared_total', 'shared.compared_squares') }} as shared_compared_variance,
        metrics.top_prior_of_two,
        metrics.middle_prior_of_two,
        metrics.bottom_prior_of_two
    from {{ ref('int_periods_compared') }} as pairs
    inner join {{ ref('metrics') }} as metrics on pairs.metric = metrics.metric
    left join {{ ref('int_voices_shared') }} as shared
        on
            pairs.period_start = shared.period_start
            {%- for column in ['comparison', 'time_grain', 'basis', 'metric', 'survey_type', 'dimension', 'segment'] %}
            and pairs.{{ column }} = shared.{{ column }}
            {%- endfor %}
    {%- for side, alias, period in [('own', 'own', 'period_start'), ('other', 'other', 'compared_period_start')] %}
    left join {{ ref('int_answers_clustered') }} as {{ alias }}
        on
            pairs.{{ period }} = {{ alias }}.period_start
            {%- for column in ['time_grain', 'basis', 'metric', 'survey_type'] %}
            and pairs.{{ column }} = {{ alias }}.{{ column }}
            {%- endfor %}
            {%- for column in ['dimension', 'segment'] %}
            {%- set compared = "case when pairs.comparison = 'rest_of_dimension' then 'all' else pairs." ~ column ~ " end" %}
            and {{ 'pairs.' ~ column if side == 'own' else compared }} = {{ alias }}.{{ column }}
            {%- endfor %}
    {%- endfor %}
),

{{ measure_changes('joined') }}

select
    comparison,
    time_grain,
    period_start,
    compared_period_start,
    period_end,
    basis,
    metric,
    survey_type,
    dimension,
    segment,
    responses,
    compared_responses,
    nps,
    compared_nps,
    tested_change,
    standard_error,
    is_untestable,
    shared_voices,
    moved_voices,
    covariance,
    covariance / sqrt(nullif(shared_variance * shared_compared_variance, 0)) as correlation
from measured
