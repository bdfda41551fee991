{%- set segments = segment_columns() -%}
{%- set cell = ['metric', 'survey_type', 'nps_class', 'measure'] -%}

-- squares are taken from the class's mean: from there a sum of squares less the square of the sum loses no
-- digits, so that one pass is enough for all dimensions
with shifted as (
    select
        {%- for column in cell %}
        amounts.{{ column }},
        {%- endfor %}
        {%- for segment in segments %}
        coalesce(amounts.{{ segment }}, '(unknown)') as {{ segment }},
        {%- endfor %}
        amounts.amount,
        amounts.amount - classes.total / classes.observed as distance
    from {{ ref('int_lift_amounts_summed') }} as amounts
    inner join {{ ref('int_lift_classes_summed') }} as classes
        on
            {%- for column in cell %}
            {{ 'and ' if not loop.first }}amounts.{{ column }} = classes.{{ column }}
            {%- endfor %}
    where amounts.is_observed
),

summed as (
    select
        {{ cell | join(', ') }},
        {{ grouped_dimension(segments) }} as dimension,
        {{ grouped_dimension(segments, value=true) }} as segment,
        count(*) as observed,
        count(distance) as summable,
        {{ exact_sum('amount') }} as total,
        {{ exact_sum('distance') }} as distance_total,
        {{ exact_sum('distance * distance') }} as squares
    from shifted
    group by grouping sets (
        ({{ cell | join(', ') }})
        {%- for segment in segments %},
        ({{ cell | join(', ') }}, {{ segment }})
        {%- endfor %}
    )
),

final as (
    select
        {{ cell | join(', ') }},
        dimension,
        segment,
        observed,
        case when summable = observed then total end as total,
        case
            when summable = observed and observed > 1
                then sqrt(greatest(0e0, squares - distance_total * distance_total / observed) / (observed - 1))
        end as deviation
    from summed
    where dimension <> 'all'
)

select * from final
