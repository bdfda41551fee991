{#- The workspace's segments in their order, as a mapping of columns: inside the build a segment's column
    is `seg_<name>`, which is no reserved word and no other column's name; in the marts that publish it,
    the name that the lake says, to be quoted. None while dbt only parses. Names are validated
    identifiers ([a-z][a-z0-9_]*) by the time they get there. -#}
{% macro segment_columns() -%}
    {%- set columns = {} -%}
    {%- set in_order = ' from ' ~ source('raw', 'segments') ~ ' order by position' -%}
    {%- set names = first_column('select published_name' ~ in_order) -%}
    {%- for segment in first_column('select segment' ~ in_order) -%}
        {%- do columns.update({'seg_' ~ segment: names[loop.index0]}) -%}
    {%- endfor -%}
    {{ return(columns) }}
{%- endmacro %}

{#- What NPS is cut by, as a mapping of columns to what `dimension` calls them: the workspace's segments,
    then channel, touchpoint and survey. -#}
{% macro dimensions() -%}
    {{ return(dict(segment_columns(), channel='channel', touchpoint='touchpoint', survey='survey')) }}
{%- endmacro %}

{#- `a.seg_x, a.seg_y, ` for the segments: a list that may be empty and stands before other columns.
    to_mart: as a mart publishes them, `a.seg_x as "x", `. from_mart: as a model reads them from a mart,
    `a."x" as seg_x, `. -#}
{% macro segment_list(prefix='', to_mart=false, from_mart=false) -%}
    {%- for column, published_name in segment_columns().items() -%}
        {{ prefix }}{{ adapter.quote(published_name) ~ ' as ' if from_mart }}{{ column }}{{ ' as ' ~ adapter.quote(published_name) if to_mart }}, {% endfor -%}
{%- endmacro %}

{#- Describe the segment columns of a table in the database, as persist_docs does for the fixed ones. -#}
{% macro describe_segments(meaning) -%}
    {%- for column, published_name in segment_columns().items() %}
        comment on column {{ this }}.{{ adapter.quote(published_name) }} is 'Segment {{ column.removeprefix('seg_') }} of the workspace: {{ meaning }}';
    {%- endfor %}
{%- endmacro %}

{#- In a query grouped by sets: what `dimension` calls the column that a row is grouped by, or its value;
    `all` where it is grouped by none. -#}
{% macro grouped_dimension(dimensions, value=false) -%}
    {%- if dimensions -%}
        case
            {%- for column, name in dimensions.items() %}
            when grouping({{ column }}) = 0 then {{ column if value else "'" ~ name ~ "'" }}
            {%- endfor %}
            else 'all'
        end
    {%- else -%}
        'all'
    {%- endif -%}
{%- endmacro %}
