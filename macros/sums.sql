{#- A number as a decimal of 12 places (or of another type): decimals add up to the same sum in any
    order, and adding and then subtracting a number leaves no residue. NULL where the number is too
    large for the type (1e18). -#}
{% macro exact_number(value, type='decimal(30, 12)') -%}
    {{ try_cast(value, type) }}
{%- endmacro %}

{#- A sum of doubles that does not depend on their order, so that a rebuilt table is the same to the
    last bit; over a window, its last digits depend on no other row of the table either. NULL where
    one of the numbers is too large for the type: no figure rather than a wrong one.
    over: the window, as `over name` or `over (…)`. -#}
{% macro exact_sum(value, over='', type='decimal(30, 12)') -%}
    case
        when count({{ value }}) {{ over }} = count({{ exact_number(value, type) }}) {{ over }}
            then cast(sum({{ exact_number(value, type) }}) {{ over }} as double)
    end
{%- endmacro %}
