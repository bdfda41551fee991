{#- The workspace's segments in their order, read from the lake; none while dbt only parses.
    Names are validated identifiers ([a-z][a-z0-9_]*) by the time they get there. -#}
{% macro segment_columns() -%}
    {%- if not execute -%}
        {{ return([]) }}
    {%- endif -%}
    {%- set found = run_query('select segment from ' ~ source('raw', 'segments') ~ ' order by position') -%}
    {{ return(found.columns[0].values() | list) }}
{%- endmacro %}

{#- What NPS is cut by: the workspace's segments, then channel, touchpoint and survey. -#}
{% macro dimensions() -%}
    {{ return(segment_columns() + ['channel', 'touchpoint', 'survey']) }}
{%- endmacro %}

{#- `a.x, a.y, ` for the segments: a list that may be empty and stands before other columns. -#}
{% macro segment_list(prefix='') -%}
    {%- for segment in segment_columns() %}{{ prefix }}{{ segment }}, {% endfor -%}
{%- endmacro %}

{#- Describe the segment columns of a table in the database, as persist_docs does for the fixed ones. -#}
{% macro describe_segments(meaning) -%}
    {%- for segment in segment_columns() %}
        comment on column {{ this }}.{{ segment }} is 'Segment {{ segment }} of the workspace: {{ meaning }}';
    {%- endfor %}
{%- endmacro %}

{#- In a query grouped by sets: the name of the dimension that a row is grouped by, or its value;
    `all` where it is grouped by none. -#}
{% macro grouped_dimension(dimensions, value=false) -%}
    {%- if dimensions -%}
        case
            {%- for dimension in dimensions %}
            when grouping({{ dimension }}) = 0 then {{ dimension if value else "'" ~ dimension ~ "'" }}
            {%- endfor %}
            else 'all'
        end
    {%- else -%}
        'all'
    {%- endif -%}
{%- endmacro %}
