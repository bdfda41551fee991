{#- One branch after another of a reject reason: `when <condition> then '<reason>'`. Staging models
    write them in order; the first that holds is the row's reason, NULL means accepted. -#}

{#- A timestamp column's reasons. The lake holds ISO 8601 in UTC; what ingest could not read stays as
    delivered and is flagged, so that a text that happens to look like ISO is not taken. -#}
{% macro timestamp_reasons(column, required=false) -%}
    {%- if required %}
    when {{ column }} is null then 'missing_timestamp'
    {%- endif %}
    when _flags like '%{{ column }}:nonexistent_local_time%' then 'nonexistent_local_time'
    when
        {{ column }} is not null
        and ({{ try_cast(column, 'timestamp') }} is null or _flags like '%{{ column }}:bad_timestamp%')
        then 'bad_timestamp'
{%- endmacro %}

{#- An event's time: not before earliest_year (seed assumptions), not after as_of. -#}
{% macro event_reasons(column) -%}
    when extract(year from {{ try_cast(column, 'timestamp') }}) < {{ assumption('earliest_year') }} then 'too_old'
    when {{ try_cast(column, 'timestamp') }} >= (select as_of_at from {{ source('raw', 'workspace') }}) then 'future'
{%- endmacro %}

{#- A decimal number as the lake may hold it: digits, a point, a sign, no grouping. The lengths keep
    infinity out, which 1e999 would become. -#}
{% macro number_reasons(column, required=false) -%}
    {%- if required %}
    when {{ column }} is null then 'missing_required'
    {%- endif %}
    when {{ column }} is not null and not {{ matches('trim(' ~ column ~ ')', '[+-]?[0-9]{1,30}([.][0-9]+)?([eE][+-]?[0-9]{1,2})?') }} then 'bad_number'
{%- endmacro %}
