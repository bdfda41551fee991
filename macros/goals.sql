{#- What is missing to a target score, from counts (top +100, middle 0, bottom -100) and a target in
    points. In points, not fractions: 55 n is exact in doubles and 0.55 n is not. What doubles leave of a
    target with decimals is rounded off before anything is rounded up. -#}

{#- Sum of contributions that is missing to the target: target n - 100 (top - bottom); 0 or less where
    it is reached. -#}
{% macro contribution_missing(top, middle, bottom, target) -%}
    ({{ target }} * ({{ top }} + {{ middle }} + {{ bottom }}) - 100.0 * ({{ top }} - {{ bottom }}))
{%- endmacro %}

{#- New promoters until the target, each of whom is one answer more: what is missing over
    100 - target; NULL where no number of them suffices. -#}
{% macro promoters_needed(top, middle, bottom, target) -%}
    {%- set missing = contribution_missing(top, middle, bottom, target) -%}
    case
        when {{ missing }} <= 0 then cast(0 as bigint)
        else cast(ceil(round({{ missing }} / nullif(round(100.0 - {{ target }}, 6), 0), 6)) as bigint)
    end
{%- endmacro %}

{#- Detractors that would have to become promoters until the target, each a gain of 200. -#}
{% macro detractors_to_convert(top, middle, bottom, target) -%}
    {%- set missing = contribution_missing(top, middle, bottom, target) -%}
    case
        when {{ missing }} <= 0 then cast(0 as bigint)
        else cast(ceil(round({{ missing }} / (2.0 * 100.0), 6)) as bigint)
    end
{%- endmacro %}

{#- Promoters that are missing to make up for the detractors, so many for one: max(0, k bottom - top). -#}
{% macro promoters_to_offset(top, bottom, promoters_per_detractor) -%}
    cast(greatest(0.0, ceil(round({{ promoters_per_detractor }} * {{ bottom }} - {{ top }}, 6))) as bigint)
{%- endmacro %}
