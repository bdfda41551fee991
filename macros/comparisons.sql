{#- The formulas of comparisons: how sure a difference of two scores is, and how many answers it takes.
    Counts are top (contribution +100), middle (0) and bottom (-100) answers, as in statistics.sql. -#}

{#- Variance of a score on the -1..1 scale where a voice may have answered more than once: of the sums
    of (c - mean) by voice the squares, added up, over n^2 (Liang and Zeger 1986, clusters being voices;
    times G / (G - 1) with G voices it is the usual cluster-robust variance). Of each voice with m answers
    that add up to t: weights is sum(m^2 - m), products sum(m t - t), squares sum(t^2 - its answers that
    are not 0). All are 0 where nobody answers twice: what is left is v / n (Rocks 2016). -#}
{% macro variance_of_mean(top, middle, bottom, weights, products, squares) -%}
    {%- set n = '(' ~ top ~ ' + ' ~ middle ~ ' + ' ~ bottom ~ ')' -%}
    {%- set net = '(' ~ top ~ ' - ' ~ bottom ~ ')' -%}
    {%- set mean = '(1e0 * ' ~ net ~ ' / nullif(' ~ n ~ ', 0))' -%}
    (
        {{ top }} + {{ bottom }} + {{ squares }}
        - 2e0 * {{ mean }} * ({{ net }} + {{ products }})
        + {{ mean }} * {{ mean }} * ({{ n }} + {{ weights }})
    ) / power(1e0 * nullif({{ n }}, 0), 2)
{%- endmacro %}

{#- Covariance of what m voices said at two times, with divisor m; both sums over the voices, and the sum
    of the products. Of one of them with itself it is the variance. NULL where m is, or 0. -#}
{% macro covariance(m, total, compared_total, products) -%}
    (1e0 * {{ products }} / nullif({{ m }}, 0) - (1e0 * {{ total }} / nullif({{ m }}, 0)) * (1e0 * {{ compared_total }} / nullif({{ m }}, 0)))
{%- endmacro %}

{#- Tests a difference of two scores: the CTE `measured`, the relation's columns with nps, compared_nps,
    tested_change (the difference of the adjusted scores) and standard_error, in points; NULL: no spread, and
    is_untestable. The relation has basis, both sides' responses and counts of classes, what repeated answers add
    (see variance_of_mean: repeats, repeated_weights, repeated_products, repeated_squares), shared_voices,
    moved_voices and their covariance, and the metric's priors of two. Sources: Rocks 2016; Agresti and Caffo
    2000; for the same voices on both sides the variance of a difference of paired means. -#}
{% macro measure_changes(relation) -%}
{%- set sides = ['', 'compared_'] -%}
{%- set classes = {'promoters': 'top', 'passives': 'middle', 'detractors': 'bottom'} -%}
-- Priors stand in for what few answers cannot show. Voices that are in both periods show their spread
-- themselves, as long as enough of all voices can differ: those that moved, and those of one period.
weighed as (
    select
        *,
        case
            when moved_voices + responses + compared_responses - 2 * shared_voices < {{ assumption('min_moved_voices') }} then 1e0
            else 1e0 - coalesce(1e0 * shared_voices / nullif(sqrt(1e0 * responses * compared_responses), 0), 0)
        end as prior_weight
    from {{ relation }}
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
),

differences as (
    select
        *,
        {{ nps('promoters', 'passives', 'detractors') }} as nps,
        {{ nps('compared_promoters', 'compared_passives', 'compared_detractors') }} as compared_nps,
        adjusted_nps - compared_adjusted_nps as tested_change,
        -- what is left of equal numbers is rounding, and no spread
        case when variance_of_change > 1e-9 * variance_of_both then 100e0 * sqrt(variance_of_change) end as standard_error
    from summed
),

-- no spread, a single voice, or priors that weigh more than the answers and turn the sign
measured as (
    select
        *,
        coalesce(standard_error is null or round(nps - compared_nps, 6) * round(tested_change, 6) < 0, false) as is_untestable
    from differences
)
{%- endmacro %}
