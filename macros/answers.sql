{#- The order of answers in time, latest first: by submitted_at, then by version, then by response_id,
    so that ties never depend on the order of files. A longer id comes after a shorter one: numbers
    count as numbers. relation is the alias whose columns are meant. -#}
{% macro latest_first(relation) -%}
    {{ relation }}.responded_at desc nulls last,
    {{ relation }}.version_at desc nulls last,
    length({{ relation }}.response_id) desc nulls last,
    {{ relation }}.response_id desc nulls last,
    {{ relation }}.source desc nulls last
{%- endmacro %}
