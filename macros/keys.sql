{#- Stable surrogate key of a source and an id: the 128 bits of the MD5 of both, NULL where the id is. The
    separator cannot occur in a source's name, so that ('a', 'b|c') and ('a|b', 'c') stay apart. -#}
{% macro surrogate_key(source, id) -%}
    case when {{ id }} is not null then cast({{ dbt.hash(source ~ " || '|' || " ~ id) }} as {{ var('key_type') }}) end
{%- endmacro %}

{#- The names of the columns that say where a row came from. -#}
{% macro provenance_columns() -%}
    {{ return(['source', 'customer_source', 'file_sha256', 'row_number', 'snapshot_at', 'row_hash']) }}
{%- endmacro %}

{#- These columns, as every staging model selects them from the lake: the row's hash as text, for reading
    128 bits from it is worth while only once a row is judged. -#}
{% macro provenance() -%}
    {%- for column in provenance_columns() %}
    _{{ column }} as {{ column }}{{ ',' if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{#- A text as everybody may see it: one with an at sign may be an e-mail address, and what stands for it is
    shown instead. Half-width and full-width signs alike, as the audit of a generation looks for them. -#}
{% macro public_text(text, instead) -%}
    case when {{ text }} like '%@%' or {{ text }} like '%＠%' then cast({{ instead }} as {{ dbt.type_string() }}) else {{ text }} end
{%- endmacro %}
