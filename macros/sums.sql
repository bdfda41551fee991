{#- A sum of doubles that is the same in whatever order they come: in units of 1e-12, so that a table
    built again has the same content to the last bit. NULL where one of them is too large for that
    (1e18): no figure rather than a wrong one. -#}
{% macro exact_sum(value) -%}
    {%- set exact = try_cast(value, 'decimal(30, 12)') -%}
    case when count({{ value }}) = count({{ exact }}) then cast(sum({{ exact }}) as double) end
{%- endmacro %}
