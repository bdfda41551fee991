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
    churn lives. side is -1 or 1. NULL where n = 0. The bounds are 0 at k = 0 and 1 at k = n
    exactly; greatest and least take off what rounding leaves. -#}
{% macro share_bound(side, k, n, z) -%}
    case
        when {{ n }} > 0
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
