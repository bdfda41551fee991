{%- set sides = ['', 'compared_'] -%}
{%- set classes = {'promoters': 'top', 'passives': 'middle', 'detractors': 'bottom'} -%}
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

-- Priors stand in for what few answers cannot show. Voices that are in both periods show their spread
-- themselves, as long as enough of all voices can differ: those that moved, and those of one period.
weighed as (
    select
        *,
        case
            when moved_voices + responses + compared_responses - 2 * shared_voices < {{ assumption('min_moved_voices') }} then 1e0
            else 1e0 - coalesce(1e0 * shared_voices / nullif(sqrt(1e0 * responses * compared_responses), 0), 0)
        end as prior_weight
    from joined
),

adjusted as (
    select
        *
        {%- for side in sides %}
        {%- for class, prior in classes.items() %},
        {{ side }}{{ class }} + prior_weight * {{ prior }}_prior_of_two as {{ side }}adjusted_{{ class }}
        {%- endfor %},
        -- voices, of which one alone says nothing of the others
        case
            when basis = 'customers' then 1e0
            else 1e0 * ({{ side }}responses - {{ side }}repeats) / nullif({{ side }}responses - {{ side }}repeats - 1, 0)
        end as {{ side }}cluster_factor
        {%- endfor %}
    from weighed
),

varied as (
    select
        *
        {%- for side in sides %},
        {{ side }}adjusted_promoters + {{ side }}adjusted_passives + {{ side }}adjusted_detractors as {{ side }}adjusted_responses,
        {{ nps(side ~ 'adjusted_promoters', side ~ 'adjusted_passives', side ~ 'adjusted_detractors') }} as {{ side }}adjusted_nps,
        {{ side }}cluster_factor * {{ variance_of_mean(side ~ 'adjusted_promoters', side ~ 'adjusted_passives', side ~ 'adjusted_detractors', side ~ 'repeated_weights', side ~ 'repeated_products', side ~ 'repeated_squares') }} as {{ side }}variance_of_mean
        {%- endfor %}
    from adjusted
),

summed as (
    select
        *,
        variance_of_mean + compared_variance_of_mean as variance_of_both,
        variance_of_mean + compared_variance_of_mean
        - 2 * coalesce(shared_voices * covariance, 0) / (adjusted_responses * compared_adjusted_responses) as variance_of_change
    from varied
)

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
    {{ nps('promoters', 'passives', 'detractors') }} as nps,
    {{ nps('compared_promoters', 'compared_passives', 'compared_detractors') }} as compared_nps,
    adjusted_nps - compared_adjusted_nps as tested_change,
    -- what is left of equal numbers is rounding, and no spread
    case when variance_of_change > 1e-9 * variance_of_both then 100e0 * sqrt(variance_of_change) end as standard_error,
    shared_voices,
    moved_voices,
    covariance,
    covariance / sqrt(nullif(shared_variance * shared_compared_variance, 0)) as correlation
from summed
