{%- set cell = ['window_days', 'metric', 'survey_type', 'dimension', 'segment'] -%}
{%- set classes = ['promoters', 'passives', 'detractors'] -%}

with changes as (
    select * from {{ ref('int_rolling_changes_counted') }}
),

cells as (
    select
        {{ cell | join(', ') }},
        min(changed_on) as first_on,
        max(changed_on) as last_on
    from changes
    group by {{ cell | join(', ') }}
),

-- a day on which no voice enters or leaves is like the day before
filled as (
    select
        days.as_of_on
        {%- for column in cell %},
        cells.{{ column }}
        {%- endfor %}
        {%- for class in classes %},
        coalesce(changes.{{ class }}_change, 0) as {{ class }}_change
        {%- endfor %}
    from cells
    inner join {{ ref('int_days_listed') }} as days on cells.first_on <= days.as_of_on and cells.last_on >= days.as_of_on
    left join changes
        on
            days.as_of_on = changes.changed_on
            {%- for column in cell %}
            and cells.{{ column }} = changes.{{ column }}
            {%- endfor %}
),

running as (
    select
        as_of_on,
        {{ cell | join(', ') }}
        {%- for class in classes %},
        cast(sum({{ class }}_change) over so_far as bigint) as {{ class }}
        {%- endfor %}
    from filled
    window so_far as (
        partition by {{ cell | join(', ') }}
        order by as_of_on nulls last
        rows between unbounded preceding and current row
    )
),

-- drops the days on which the window is empty
{{ score_counts('running') }}

select
    as_of_on,
    window_days,
    metric,
    survey_type,
    dimension,
    segment,
    responses,
    promoters,
    passives,
    detractors,
    nps,
    standard_error,
    ci_low,
    ci_high,
    is_suppressed
from scored
