{#- Rates of recurring revenue. Source: Reichheld, Darnell and Burns 2021, Winning on Purpose. -#}

{#- Net revenue retention as a share: what the customers of the beginning pay at the end, of what they
    paid at the beginning. NULL where that is nothing. -#}
{% macro net_revenue_retention(opening, retained_change) -%}
    1.0 + ({{ retained_change }}) / nullif(greatest({{ opening }}, 0.0), 0.0)
{%- endmacro %}

{#- Earned growth rate as a share: net revenue retention plus earned new revenue less 100 %. -#}
{% macro earned_growth_rate(opening, retained_change, earned_new) -%}
    (({{ retained_change }}) + {{ earned_new }}) / nullif(greatest({{ opening }}, 0.0), 0.0)
{%- endmacro %}
