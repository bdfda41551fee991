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

{#- Answers needed, as a number that is not rounded yet: z^2 v / d^2, with the variance v on the -1..1
    scale and d in points; z and v are those of what is asked. For a margin of d about one score z is the
    interval's and v one answer's variance. For a difference of d between two groups, found with some
    power at some level, z is the sum of both quantiles and v the sum of both variances; the result is per
    group. Source: any textbook; MeasuringU takes off what the adjusted-Wald method adds to each group. -#}
{% macro answers_needed(z, variance, points) -%}
    power({{ z }}, 2) * ({{ variance }}) / power({{ points }} / 100e0, 2)
{%- endmacro %}
