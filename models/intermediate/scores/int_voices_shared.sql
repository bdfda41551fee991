{%- set dimensions = dimensions() -%}
{%- set pair = ['comparison', 'time_grain', 'period_start', 'basis', 'metric', 'survey_type'] -%}
{%- set compared = [] -%}
{%- for grain in time_grains() -%}
    {%- do compared.append(('previous_period', grain)) -%}
    {%- if grain in ('month', 'quarter', 'fiscal_quarter') -%}
        {%- do compared.append(('previous_year', grain)) -%}
    {%- endif -%}
{%- endfor %}

with periods as (
    select
        {{ pair | join(', ') }},
        compared_period_start
    from {{ ref('int_periods_paired') }}
    where basis = 'customers' and compared_period_start is not null
),

-- Each voice's latest answers of both periods: one pair, however often it answered, for the later one's
-- period follows from the earlier answer: nobody answers between a period and its previous one. A segment
-- is known where it is that of both answers.
pairs as (
    {%- for comparison, grain in compared %}
    {%- set earlier_start = period_start(grain, 'earlier.responded_on') %}
    {%- set next_start = period_start(grain, 'earlier.next_on') %}
    {%- set later_start = period_start(grain, 'later.responded_on') %}
    select
        {%- for column in pair %}
        periods.{{ column }},
        {%- endfor %}
        {%- for dimension in dimensions %}
        case when earlier.{{ dimension }} = later.{{ dimension }} then later.{{ dimension }} end as {{ dimension }},
        {%- endfor %}
        later.mark,
        earlier.mark as compared_mark
    from {{ ref('int_answers_followed') }} as earlier
    inner join {{ ref('int_answers_followed') }} as later
        on
            earlier.voice_key = later.voice_key
            and earlier.metric = later.metric
            and earlier.survey_type = later.survey_type
            and {{ next_start if comparison == 'previous_period' else 'cast(' ~ dbt.dateadd('year', 1, earlier_start) ~ ' as date)' }} = {{ later_start }}
    inner join periods
        on
            earlier.metric = periods.metric
            and earlier.survey_type = periods.survey_type
            and {{ earlier_start }} = periods.compared_period_start
            and {{ later_start }} = periods.period_start
    where
        periods.comparison = '{{ comparison }}'
        and periods.time_grain = '{{ grain }}'
        and {{ next_start }} > {{ earlier_start }}
        and (later.next_on is null or {{ period_start(grain, 'later.next_on') }} > {{ later_start }})
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
),

counted as (
    select
        {{ pair | join(', ') }},
        {{ grouped_dimension(dimensions) }} as dimension,
        {{ grouped_dimension(dimensions, value=true) }} as segment,
        count(*) as shared_voices,
        sum(case when mark <> compared_mark then 1 else 0 end) as moved_voices,
        sum(mark) as total,
        sum(compared_mark) as compared_total,
        sum(mark * mark) as squares,
        sum(compared_mark * compared_mark) as compared_squares,
        sum(mark * compared_mark) as products
    from pairs
    group by grouping sets (
        ({{ pair | join(', ') }})
        {%- for dimension in dimensions %},
        ({{ pair | join(', ') }}, {{ dimension }})
        {%- endfor %}
    )
)

select
    {{ pair | join(', ') }},
    dimension,
    segment
    {%- for sum in ['shared_voices', 'moved_voices', 'total', 'compared_total', 'squares', 'compared_squares', 'products'] %},
    cast({{ sum }} as bigint) as {{ sum }}
    {%- endfor %}
from counted
where segment is not null
