{%- set attributes = (dimensions() | list) + var('driver_classes') -%}

select
    cells.metric,
    cells.survey_type,
    cells.part,
    {%- for attribute in attributes %}
    {{ attribute }}_levels.counted_level as {{ attribute }},
    {%- endfor %}
    cast(sum(cells.voices) as bigint) as voices,
    cast(sum(cells.contributions) as bigint) as contributions,
    cast(sum(cells.squares) as bigint) as squares
from {{ ref('int_driver_cells_counted') }} as cells
{%- for attribute in attributes %}
left join {{ ref('int_driver_levels_counted') }} as {{ attribute }}_levels
    on
        cells.metric = {{ attribute }}_levels.metric
        and cells.survey_type = {{ attribute }}_levels.survey_type
        and cells.{{ attribute }} = {{ attribute }}_levels.level
        and {{ attribute }}_levels.attribute = '{{ attribute }}'
{%- endfor %}
group by
    cells.metric,
    cells.survey_type,
    cells.part
    {%- for attribute in attributes %},
    {{ attribute }}_levels.counted_level
    {%- endfor %}
