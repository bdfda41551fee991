{#- The formulas of docs/metrics.md, each once. Counts are top (contribution +100), middle (0) and
    bottom (-100) answers; for NPS: promoters, passives, detractors. -#}

{#- Mean contribution, -100..100; NULL without answers. Source: Reichheld 2003; Rocks 2016. -#}
{% macro nps(top, middle, bottom) -%}
    100.0 * ({{ top }} - {{ bottom }}) / nullif({{ top }} + {{ middle }} + {{ bottom }}, 0)
{%- endmacro %}

{#- Variance of one answer on the -1..1 scale: p + d - (p - d)^2. Source: Rocks 2016, eq. 1;
    R package NPS, nps.var. -#}
{% macro nps_variance(top, middle, bottom) -%}
    (
        1.0 * ({{ top }} + {{ bottom }}) / nullif({{ top }} + {{ middle }} + {{ bottom }}, 0)
        - power(1.0 * ({{ top }} - {{ bottom }}) / nullif({{ top }} + {{ middle }} + {{ bottom }}, 0), 2)
    )
{%- endmacro %}

{#- Standard error of the score in points: 100 * sqrt(v / n), with n and not n - 1 as the R package
    NPS has it (nps.se). -#}
{% macro nps_standard_error(top, middle, bottom) -%}
    100.0 * sqrt(
        {{ nps_variance(top, middle, bottom) }}
        / nullif({{ top }} + {{ middle }} + {{ bottom }}, 0)
    )
{%- endmacro %}

{#- One bound of the adjusted-Wald interval in points, clipped to +-100: the prior's answers are
    added to each count, then the Wald interval is taken (Rocks 2016; MeasuringU). side is -1 or 1.
    NULL without answers. -#}
{% macro nps_bound(side, top, middle, bottom, z, top_prior, middle_prior, bottom_prior) -%}
    {%- set t = '(' ~ top ~ ' + ' ~ top_prior ~ ')' -%}
    {%- set m = '(' ~ middle ~ ' + ' ~ middle_prior ~ ')' -%}
    {%- set b = '(' ~ bottom ~ ' + ' ~ bottom_prior ~ ')' -%}
    case
        when {{ top }} + {{ middle }} + {{ bottom }} > 0
            then greatest(-100.0, least(
                100.0,
                {{ nps(t, m, b) }} + ({{ side }}) * {{ z }} * {{ nps_standard_error(t, m, b) }}
            ))
    end
{%- endmacro %}

{#- Standard error of a share k / n. -#}
{% macro share_standard_error(k, n) -%}
    sqrt((1.0 * {{ k }} / nullif({{ n }}, 0)) * (1 - 1.0 * {{ k }} / nullif({{ n }}, 0)) / nullif({{ n }}, 0))
{%- endmacro %}

{#- One bound of Wilson's score interval of a share k / n (Wilson 1927): holds near 0 and 1, where
    churn lives. side is -1 or 1. NULL where n = 0 or k is unknown. The bounds are 0 at k = 0 and 1 at k = n
    exactly; greatest and least take off what rounding leaves. -#}
{% macro share_bound(side, k, n, z) -%}
    case
        -- greatest and least pass over NULL: a bound of an unknown share would be 1
        when {{ n }} > 0 and {{ k }} is not null
            then greatest(0.0, least(
                1.0,
                (
                    1.0 * {{ k }} / {{ n }} + {{ z }} * {{ z }} / (2.0 * {{ n }})
                    + ({{ side }}) * {{ z }} * sqrt(
                        (1.0 * {{ k }} / {{ n }}) * (1 - 1.0 * {{ k }} / {{ n }}) / {{ n }}
                        + {{ z }} * {{ z }} / (4.0 * {{ n }} * {{ n }})
                    )
                ) / (1 + {{ z }} * {{ z }} / {{ n }})
            ))
    end
{%- endmacro %}

{#- P(Z > |z|) of the normal distribution, for a z that is a column. Source: Hart 1968, algorithm 5666,
    as West 2005 prints it ("Better approximations to cumulative normal functions"): a ratio of
    polynomials, beyond 7.07 a continued fraction; within 2e-16 of the truth. DuckDB has no erf. -#}
{% macro normal_tail(z) -%}
    {%- set x = 'abs(' ~ z ~ ')' -%}
    {%- set above = [3.52624965998911e-02, 0.700383064443688, 6.37396220353165, 33.912866078383, 112.079291497871, 221.213596169931, 220.206867912376] -%}
    {%- set below = [8.83883476483184e-02, 1.75566716318264, 16.064177579207, 86.7807322029461, 296.564248779674, 637.333633378831, 793.826512519948, 440.413735824752] -%}
    case
        when {{ x }} < 7.07106781186547
            then exp(-{{ x }} * {{ x }} / 2.0) * {{ polynomial(x, above) }} / {{ polynomial(x, below) }}
        when {{ x }} < 38.0
            then
                exp(-{{ x }} * {{ x }} / 2.0) / 2.506628274631
                / ({{ x }} + 1.0 / ({{ x }} + 2.0 / ({{ x }} + 3.0 / ({{ x }} + 4.0 / ({{ x }} + 0.65)))))
        when {{ z }} is not null then cast(0 as double)
    end
{%- endmacro %}

{#- A polynomial by Horner's rule, the highest coefficient first. -#}
{% macro polynomial(x, coefficients) -%}
    {%- set ns = namespace(value=coefficients[0] | string ~ 'e0') -%}
    {%- for coefficient in coefficients[1:] -%}
        {%- set ns.value = '(' ~ ns.value ~ ' * ' ~ x ~ ' + ' ~ coefficient ~ 'e0)' -%}
    {%- endfor -%}
    {{ ns.value }}
{%- endmacro %}

{#- Two-sided p of a z that is a column; NULL where z is. -#}
{% macro two_sided_p(z) -%}
    2.0 * {{ normal_tail(z) }}
{%- endmacro %}

{#- Standard error in points of the difference of two independent groups' adjusted scores:
    100 sqrt(v'1 / n'1 + v'2 / n'2), each count raised by its prior (Rocks 2016). first and second are
    lists of the expressions top, middle, bottom; priors likewise. -#}
{% macro difference_standard_error(first, second, priors) -%}
    {%- set a = adjusted_counts(first, priors) -%}
    {%- set b = adjusted_counts(second, priors) -%}
    sqrt(power({{ nps_standard_error(a[0], a[1], a[2]) }}, 2) + power({{ nps_standard_error(b[0], b[1], b[2]) }}, 2))
{%- endmacro %}

{#- z of that difference: (nps'1 - nps'2) over its standard error, positive where the first is higher.
    NULL where one of the groups has no answers. -#}
{% macro difference_z(first, second, priors) -%}
    {%- set a = adjusted_counts(first, priors) -%}
    {%- set b = adjusted_counts(second, priors) -%}
    case
        when {{ first | join(' + ') }} > 0 and {{ second | join(' + ') }} > 0
            then ({{ nps(a[0], a[1], a[2]) }} - {{ nps(b[0], b[1], b[2]) }}) / nullif({{ difference_standard_error(first, second, priors) }}, 0)
    end
{%- endmacro %}

{#- Counts with their priors, as a list of three expressions. -#}
{% macro adjusted_counts(counts, priors) -%}
    {{ return(['(' ~ counts[0] ~ ' + ' ~ priors[0] ~ ')', '(' ~ counts[1] ~ ' + ' ~ priors[1] ~ ')', '(' ~ counts[2] ~ ' + ' ~ priors[2] ~ ')']) }}
{%- endmacro %}

{#- Present value of 1 a year over some years, paid monthly in arrears and discounted at a yearly
    rate: (1 - (1 + r)^-n) / r with the monthly rate r and n months, times 1/12. Source: any
    annuity table. NULL where the years are. -#}
{% macro annuity(years, yearly_rate) -%}
    {%- set r = '(power(1.0 + ' ~ yearly_rate ~ ', 1.0 / 12) - 1)' -%}
    case
        when {{ yearly_rate }} = 0 then {{ years }}
        else (1 - power(1 + {{ r }}, -12.0 * {{ years }})) / (12.0 * {{ r }})
    end
{%- endmacro %}

{#- A named value of the seed assumptions, as a scalar. -#}
{% macro assumption(name) -%}
    (select value from {{ ref('assumptions') }} where name = '{{ name }}')
{%- endmacro %}
