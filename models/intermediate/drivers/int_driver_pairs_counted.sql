{%- set attributes = (dimensions() | list) + var('driver_classes') -%}
{%- set forwards, backwards = {}, {} -%}
{%- for attribute in attributes -%}
    {%- do forwards.update({attribute: attribute}) -%}
    {%- do backwards.update({attributes[-loop.index]: attributes[-loop.index]}) -%}
{%- endfor -%}
{%- set cell = 'metric, survey_type, part' -%}

-- cross-products of dummy variables are counts. A pair's attributes are the first and the last that a row is
-- grouped by: of a level by itself both the same
with counted as (
    select
        {{ cell }},
        {{ grouped_dimension(forwards) }} as attribute,
        {{ grouped_dimension(forwards, value=true) }} as level,
        {{ grouped_dimension(backwards) }} as other_attribute,
        {{ grouped_dimension(backwards, value=true) }} as other_level,
        cast(sum(voices) as bigint) as voices,
        cast(sum(contributions) as bigint) as contributions,
        cast(sum(squares) as bigint) as squares
    from {{ ref('int_driver_cells_reduced') }}
    group by grouping sets (
        {%- for attribute in attributes %}
        {%- for other in attributes[loop.index0:] %}
        ({{ cell }}, {{ attribute }}{{ ', ' ~ other if other != attribute }}){{ ',' if not (loop.last and attribute == attributes[-1]) }}
        {%- endfor %}
        {%- endfor %}
    )
)

select * from counted
where level is not null and other_level is not null
