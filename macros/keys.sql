{#- Stable surrogate key of a source and an id: the 128 bits of the MD5 of both, NULL where the id is. The
    separator cannot occur in a source's name, so that ('a', 'b|c') and ('a|b', 'c') stay apart. An id with an
    at sign may be an e-mail address, whose plain hash anybody could compute: its hash is keyed. -#}
{% macro surrogate_key(source, id) -%}
    {%- set text = source ~ " || '|' || " ~ id -%}
    case
        when {{ id }} like '%@%' or {{ id }} like '%＠%' then {{ keyed_hash(text) }}
        when {{ id }} is not null then cast({{ dbt.hash(text) }} as {{ var('key_type') }})
    end
{%- endmacro %}

{#- A hash that nobody can compute who lacks the workspace's key, as a key: MD5 nested as in NMAC (Bellare,
    Canetti and Krawczyk 1996), with half of the key inside and half outside. The key is read from the lake
    and written into the SQL, which stays in the workspace's private folders. -#}
{% macro keyed_hash(text) -%}
    {%- set key = first_column('select hash_key from ' ~ of_lake('hash_keys')) | first | default('') -%}
    {%- set inner = dbt.hash("'" ~ key[:32] ~ "' || " ~ text) -%}
    cast({{ dbt.hash("'" ~ key[32:] ~ "' || " ~ inner) }} as {{ var('key_type') }})
{%- endmacro %}

{#- The columns that say where a row came from, as every staging model selects them from the lake: the row's hash
    as text, for reading 128 bits from it is worth while only once a row is judged. -#}
{% macro provenance() -%}
    {%- for column in var('provenance_columns') %}
    _{{ column }} as {{ column }}{{ ',' if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{#- A text as everybody may see it: one with an at sign may be an e-mail address, and what stands for it is
    shown instead. Half-width and full-width signs alike, as the audit of a generation looks for them. -#}
{% macro public_text(text, instead) -%}
    case when {{ text }} like '%@%' or {{ text }} like '%＠%' then cast({{ instead }} as {{ dbt.type_string() }}) else {{ text }} end
{%- endmacro %}
