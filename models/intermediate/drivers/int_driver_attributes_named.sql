{{ config(materialized='view') }}
{%- set segments = segment_columns() -%}
{%- set attributes = (dimensions() | list) + var('driver_classes') -%}

{%- for attribute in attributes %}
select
    '{{ attribute }}' as attribute,
    '{{ 'segment' if attribute in segments else 'metric' if attribute in var('driver_classes') else 'answer' }}' as kind,
    '{{ segments[attribute] if attribute in segments else attribute.removeprefix('class_') }}' as attribute_name
{%- if not loop.last %}

union all
{% endif %}
{%- endfor %}
