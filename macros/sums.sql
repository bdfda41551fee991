{#- A number in units of 1e-12: sums of these are the same in whatever order they come, and what is
    added and taken away again leaves nothing. NULL where it is too large for that (1e18). -#}
{% macro exact_number(value) -%}
    {{ try_cast(value, 'decimal(30, 12)') }}
{%- endmacro %}

{#- A sum of doubles that is the same in whatever order they come, so that a table built again has the
    same content to the last bit. NULL where one of them is too large for that: no figure rather than
    a wrong one. -#}
{% macro exact_sum(value) -%}
    case when count({{ value }}) = count({{ exact_number(value) }}) then cast(sum({{ exact_number(value) }}) as double) end
{%- endmacro %}
