{%- set months = 'cast(' ~ assumption('proactive_months') ~ ' as int)' -%}
{%- set recent = 'cast(' ~ assumption('proactive_days') ~ ' as int)' -%}
{%- set before = 'cast(' ~ assumption('proactive_days_before') ~ ' as int)' -%}

with month_ends as (
    select
        listed.as_of_on,
        {{ days_after(dbt.dateadd('month', months ~ ' + 1', dbt.date_trunc('month', 'listed.as_of_on')), -1) }} as until_on,
        workspace.as_of_on as now_on
    from {{ ref('int_feature_days_listed') }} as listed
    cross join {{ source('raw', 'workspace') }} as workspace
),

completed as (
    select
        *,
        row_number() over (order by as_of_on desc nulls last) as age
    from month_ends
    where until_on <= now_on
),

-- months that do not overlap, so that who leaves is counted once; the latest are held back
parts as (
    select
        as_of_on,
        until_on,
        case
            when row_number() over (order by age asc nulls last) <= ceil({{ assumption('proactive_held_back_share') }} * count(*) over ()) then 'held_back'
            else 'learned'
        end as part
    from completed
    where (age - 1) % {{ months }} = 0

    union all

    select
        as_of_on,
        until_on,
        'now' as part
    from month_ends
    where as_of_on = now_on
)

select
    *,
    {{ days_after('as_of_on', '-' ~ recent) }} as recent_after,
    {{ days_after('as_of_on', '-' ~ recent ~ ' - ' ~ before) }} as before_after
from parts
