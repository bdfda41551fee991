{#- Stable surrogate key of a source and an id: MD5 of both, NULL where the id is. The separator
    cannot occur in a source's name, so that ('a', 'b|c') and ('a|b', 'c') stay apart. -#}
{% macro surrogate_key(source, id) -%}
    case when {{ id }} is not null then {{ dbt.hash(source ~ " || '|' || " ~ id) }} end
{%- endmacro %}

{#- The columns that say where a row came from; every staging model carries them. -#}
{% macro provenance() -%}
    _source as source,
    _customer_source as customer_source,
    _file_sha256 as file_sha256,
    _row_number as row_number,
    _snapshot_at as snapshot_at,
    _row_hash as row_hash
{%- endmacro %}
