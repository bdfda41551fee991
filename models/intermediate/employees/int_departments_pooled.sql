{%- set cell = ['metric', 'survey_type', 'period_start'] -%}

-- The pool ends where it holds several departments, a group even without any one of its members, and answers of
-- several classes; and where the next department is larger than its own, so that sizes do not give it away.
with bounds as (
    select
        ordered.{{ cell | join(', ordered.') }},
        max(case when ordered.voices > 0 and ordered.voices < workspace.min_group_size then 1 else 0 end) = 1 as is_needed,
        min(case
            when
                ordered.departments_so_far > 1
                and ordered.voices_so_far > workspace.min_group_size
                and ordered.largest_class < ordered.voices_so_far
                and ordered.next_voices > greatest(ordered.voices, workspace.min_group_size)
                then ordered.place
        end) as last_place
    from {{ ref('int_departments_ordered') }} as ordered
    cross join {{ source('raw', 'workspace') }} as workspace
    group by ordered.{{ cell | join(', ordered.') }}
)

select
    ordered.*,
    bounds.is_needed and (bounds.last_place is null or ordered.place <= bounds.last_place) as is_pooled
from {{ ref('int_departments_ordered') }} as ordered
inner join bounds
    on
        {%- for column in cell %}
        {{ 'and ' if not loop.first }}ordered.{{ column }} = bounds.{{ column }}
        {%- endfor %}
