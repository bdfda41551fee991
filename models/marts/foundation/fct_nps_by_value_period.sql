{%- set classes = {'promoters': '> 0', 'passives': '= 0', 'detractors': '< 0'} -%}
{%- set grains = time_grains('month') + ['all'] -%}
{%- set key = ['time_grain', 'period_start', 'period_end', 'basis', 'metric', 'survey_type', 'dimension'] -%}

with spans as (
    select
        metric,
        survey_type,
        min(responded_on) as first_on,
        max(responded_on) as last_on
    from {{ ref('int_answer_values_listed') }}
    group by metric, survey_type
),

-- an answer counts in the segment of every value that it has
listed as (
    select
        answer_values.*,
        spans.first_on,
        spans.last_on
    from {{ ref('int_answer_values_listed') }} as answer_values
    inner join spans on answer_values.metric = spans.metric and answer_values.survey_type = spans.survey_type
),

counted as (
    {%- for grain in grains %}
    {%- set start = 'first_on' if grain == 'all' else period_start(grain, 'responded_on') %}
    {%- set is_latest = 'next_on is null' ~ ('' if grain == 'all' else ' or ' ~ period_start(grain, 'next_on') ~ ' > ' ~ start) %}
    {%- for basis, condition in {'responses': 'true', 'customers': is_latest}.items() %}
    select
        '{{ grain }}' as time_grain,
        {{ start }} as period_start,
        {{ 'last_on' if grain == 'all' else period_end(grain, start) }} as period_end,
        '{{ basis }}' as basis,
        metric,
        survey_type,
        dimension,
        segment,
        cast(sum(case when is_shared then 1 else 0 end) as bigint) as shared_responses
        {%- for class, sign in classes.items() %},
        cast(sum(case when contribution {{ sign }} then 1 else 0 end) as bigint) as {{ class }}
        {%- endfor %}
    from listed
    where {{ condition }}
    group by {{ 'first_on, last_on' if grain == 'all' else start }}, metric, survey_type, dimension, segment
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
),

{{ score_counts('counted') }}

select
    {{ key | join(',
    ') }},
    segment,
    responses,
    shared_responses,
    sum(shared_responses) over (partition by {{ key | join(', ') }}) > 0 as parts_overlap,
    promoters,
    passives,
    detractors,
    nps,
    standard_error,
    ci_low,
    ci_high,
    is_suppressed
from scored
