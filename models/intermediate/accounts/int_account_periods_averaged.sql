{%- set classes = {'promoters': '> 0', 'passives': '= 0', 'detractors': '< 0'} -%}
{%- set grains = time_grains('month') + ['all'] -%}

with answers as (
    select
        *,
        min(responded_on) over of_survey as first_on,
        max(responded_on) over of_survey as last_on
    from {{ ref('int_account_answers_followed') }}
    window of_survey as (partition by metric, survey_type)
),

-- each contact's latest answer of each period
latest as (
    {%- for grain in grains %}
    {%- set start = 'first_on' if grain == 'all' else period_start(grain, 'responded_on') %}
    select
        '{{ grain }}' as time_grain,
        {{ start }} as period_start,
        {{ 'last_on' if grain == 'all' else period_end(grain, start) }} as period_end,
        metric,
        survey_type,
        account_key,
        contribution
    from answers
    where next_on is null{{ '' if grain == 'all' else ' or ' ~ period_start(grain, 'next_on') ~ ' > ' ~ start }}
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
),

counted as (
    select
        time_grain,
        period_start,
        period_end,
        metric,
        survey_type,
        account_key
        {%- for class, sign in classes.items() %},
        cast(sum(case when contribution {{ sign }} then 1 else 0 end) as bigint) as {{ class }}
        {%- endfor %}
    from latest
    group by time_grain, period_start, period_end, metric, survey_type, account_key
)

select
    *,
    {{ nps('promoters', 'passives', 'detractors') }} as voice
from counted
