{#- The formulas of docs/metrics.md, each once. Counts are top (contribution +100), middle (0) and
    bottom (-100) answers; for NPS: promoters, passives, detractors. -#}

{#- Mean contribution, -100..100; NULL without answers. Source: Reichheld 2003; Rocks 2016. -#}
{% macro nps(top, middle, bottom) -%}
    100e0 * ({{ top }} - {{ bottom }}) / nullif({{ top }} + {{ middle }} + {{ bottom }}, 0)
{%- endmacro %}

{#- Standard error of the score in points: 100 sqrt(v / n). v is the variance of one answer on the -1..1
    scale, p + d - (p - d)^2 (Rocks 2016, eq. 1); n and not n - 1, as in the R package NPS (nps.var,
    nps.se). Answers of one class only have a v of 0, which is no certainty: given a prior (top, middle,
    bottom), they get the error of the adjusted-Wald interval, with the prior's answers added. -#}
{% macro nps_standard_error(top, middle, bottom, prior=none) -%}
    {%- set n = 'nullif(' ~ top ~ ' + ' ~ middle ~ ' + ' ~ bottom ~ ', 0)' -%}
    {%- if prior %}
    case
        when greatest({{ top }}, {{ middle }}, {{ bottom }}) = {{ n }}
            then {{ nps_standard_error('(' ~ top ~ ' + ' ~ prior[0] ~ ')', '(' ~ middle ~ ' + ' ~ prior[1] ~ ')', '(' ~ bottom ~ ' + ' ~ prior[2] ~ ')') }}
        else {{ nps_standard_error(top, middle, bottom) }}
    end
    {%- else -%}
    100e0 * sqrt((
        1e0 * ({{ top }} + {{ bottom }}) / {{ n }}
        - power(1e0 * ({{ top }} - {{ bottom }}) / {{ n }}, 2)
    ) / {{ n }})
    {%- endif -%}
{%- endmacro %}

{#- One bound of the adjusted-Wald interval in points, clipped to +-100: add the prior's answers to
    each count, then take the Wald interval (Rocks 2016; MeasuringU). side is -1 or 1. NULL without
    answers. -#}
{% macro nps_bound(side, top, middle, bottom, z, top_prior, middle_prior, bottom_prior) -%}
    {%- set t = '(' ~ top ~ ' + ' ~ top_prior ~ ')' -%}
    {%- set m = '(' ~ middle ~ ' + ' ~ middle_prior ~ ')' -%}
    {%- set b = '(' ~ bottom ~ ' + ' ~ bottom_prior ~ ')' -%}
    case
        when {{ top }} + {{ middle }} + {{ bottom }} > 0
            then greatest(-100e0, least(
                100e0,
                {{ nps(t, m, b) }} + ({{ side }}) * {{ z }} * {{ nps_standard_error(t, m, b) }}
            ))
    end
{%- endmacro %}

{#- Standard error of a share k / n. At 0 and 1 it would be 0, which is no certainty: there it is the error of
    Agresti and Coull's (1998) adjusted share, (k + z^2 / 2) / (n + z^2). NULL where n is 0 or k unknown. -#}
{% macro share_standard_error(k, n, z) -%}
    {%- set square = z ~ ' * ' ~ z -%}
    {%- set adjusted = '((' ~ k ~ ' + ' ~ square ~ ' / 2e0) / (' ~ n ~ ' + ' ~ square ~ '))' -%}
    case
        when {{ n }} > 0 and ({{ k }} = 0 or {{ k }} = {{ n }})
            then sqrt({{ adjusted }} * (1e0 - {{ adjusted }}) / ({{ n }} + {{ square }}))
        else sqrt((1e0 * {{ k }} / nullif({{ n }}, 0)) * (1 - 1e0 * {{ k }} / nullif({{ n }}, 0)) / nullif({{ n }}, 0))
    end
{%- endmacro %}

{#- One bound of Wilson's score interval of a share k / n (Wilson 1927), which holds near 0 and 1, where
    churn rates often are. side is -1 or 1. NULL where n is 0 or k is unknown. The bounds are exactly 0 at
    k = 0 and 1 at k = n: computed, they would be off by a rounding error. -#}
{% macro share_bound(side, k, n, z) -%}
    case
        when {{ n }} > 0 and {{ k }} = {{ 0 if side == -1 else n }} then {{ '0e0' if side == -1 else '1e0' }}
        -- greatest and least ignore NULL: a bound of an unknown share would be 1
        when {{ n }} > 0 and {{ k }} is not null
            then greatest(0e0, least(
                1e0,
                (
                    1e0 * {{ k }} / {{ n }} + {{ z }} * {{ z }} / (2e0 * {{ n }})
                    + ({{ side }}) * {{ z }} * sqrt(
                        (1e0 * {{ k }} / {{ n }}) * (1 - 1e0 * {{ k }} / {{ n }}) / {{ n }}
                        + {{ z }} * {{ z }} / (4e0 * {{ n }} * {{ n }})
                    )
                ) / (1 + {{ z }} * {{ z }} / {{ n }})
            ))
    end
{%- endmacro %}

{#- The lower bound of a share of which all n of n are seen: (alpha / 2)^(1 / n), where alpha / 2 is the tail
    beyond the column z (Clopper and Pearson 1934, exact). By the records still at risk it bounds a
    Kaplan-Meier curve on which nobody has left yet (Fay, Brittain and Proschan 2013, Biostatistics 14:
    the beta product procedure, which reduces to this). Of 0 of n, 1 minus it is the upper bound. -#}
{% macro unanimous_bound(n, z) -%}
    power(({{ two_sided_p(z) }}) / 2e0, 1e0 / {{ n }})
{%- endmacro %}

{#- Two-sided p of a column z under the normal distribution, 2 P(Z > |z|); NULL where z is. Source: Hart
    1968, algorithm 5666, as printed in West 2005 ("Better approximations to cumulative normal
    functions"): a ratio of polynomials, beyond 7.07 a continued fraction; the error is below 4e-16.
    DuckDB has no erf. -#}
{% macro two_sided_p(z) -%}
    {%- set x = 'abs(' ~ z ~ ')' -%}
    {%- set numerator = [3.52624965998911e-02, 0.700383064443688, 6.37396220353165, 33.912866078383, 112.079291497871, 221.213596169931, 220.206867912376] -%}
    {%- set denominator = [8.83883476483184e-02, 1.75566716318264, 16.064177579207, 86.7807322029461, 296.564248779674, 637.333633378831, 793.826512519948, 440.413735824752] -%}
    {#- Horner's rule, the highest power first -#}
    {%- set polynomials = [] -%}
    {%- for coefficients in [numerator, denominator] -%}
        {%- set polynomial = namespace(sql=coefficients[0] ~ 'e0') -%}
        {%- for coefficient in coefficients[1:] -%}
            {%- set polynomial.sql = '(' ~ polynomial.sql ~ ' * ' ~ x ~ ' + ' ~ coefficient ~ 'e0)' -%}
        {%- endfor -%}
        {%- do polynomials.append(polynomial.sql) -%}
    {%- endfor -%}
    case
        when {{ x }} < 7.07106781186547e0
            then 2e0 * exp(-{{ x }} * {{ x }} / 2e0) * {{ polynomials[0] }} / {{ polynomials[1] }}
        when {{ x }} < 38e0
            then
                2e0 * exp(-{{ x }} * {{ x }} / 2e0) / 2.506628274631e0
                / ({{ x }} + 1e0 / ({{ x }} + 2e0 / ({{ x }} + 3e0 / ({{ x }} + 4e0 / ({{ x }} + 0.65e0)))))
        when {{ z }} is not null then 0e0
    end
{%- endmacro %}

{#- How many years' revenue a customer is worth today, discounted: (1 - e^(-(h + d) L)) / (h + d), the present
    value of 1 a year paid as long as the customer stays and at most L years. A share of `churn` within
    `years` is a constant hazard h = -ln(1 - churn) / years (of an exponential lifetime); d = ln(1 + yearly
    rate). The continuous life annuity under a constant force (Bowers et al. 1997, Actuarial Mathematics).
    Where everybody left it is 0; NULL where the churn is. -#}
{% macro discounted_lifetime(churn, years, yearly_rate, longest) -%}
    {%- set force = '(ln(1e0 + ' ~ yearly_rate ~ ') - ln(nullif(1e0 - ' ~ churn ~ ', 0)) / ' ~ years ~ ')' -%}
    case
        when {{ churn }} >= 1 then 0e0
        when {{ force }} = 0 then 1e0 * {{ longest }}
        else (1e0 - exp(-{{ force }} * {{ longest }})) / {{ force }}
    end
{%- endmacro %}

{#- A named value of the seed assumptions, as a scalar. -#}
{% macro assumption(name) -%}
    (select value from {{ ref('assumptions') }} where name = '{{ name }}')
{%- endmacro %}
