{#- The order of answers in time, latest first: by submitted_at, then by version, then by response_id,
    so that ties never depend on the order of files. A longer id comes after a shorter one: numbers
    count as numbers. relation is the alias whose columns are meant. -#}
{% macro latest_first(relation) -%}
    {{ relation }}.responded_at desc,
    case when {{ relation }}.version_at is null then 1 else 0 end,
    {{ relation }}.version_at desc,
    length({{ relation }}.response_id) desc,
    {{ relation }}.response_id desc,
    {{ relation }}.source desc
{%- endmacro %}
