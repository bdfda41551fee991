{%- set grains = time_grains('month') + ['all'] -%}
{%- set segments = segment_columns() -%}
{%- set dimensions = segments if 'account_tier' in segments.values() else dict(segments, account_tier='account_tier') -%}
{%- set cell = ['time_grain', 'period_start', 'period_end', 'metric', 'survey_type', 'nps_class'] -%}
{%- set flags = {
    'is_contact_due': 'due', 'is_contact_due and is_within_sla': 'within_sla', 'is_open': 'open_cases', 'is_overdue': 'overdue', 'is_reopened': 'reopened',
    'not is_open and root_cause is not null and action is not null': 'explained', 'not is_open': 'closed',
    'is_recovered is not null': 'answered_again', 'is_recovered': 'recovered',
} -%}

with cases as (
    select
        *,
        min(responded_on) over (partition by metric, survey_type) as first_on,
        max(responded_on) over (partition by metric, survey_type) as last_on
    from {{ ref('int_follow_ups_judged') }}
    -- a case of no accepted answer belongs to no period
    where metric is not null
),

dated as (
    {%- for grain in grains %}
    {%- set start = 'first_on' if grain == 'all' else period_start(grain, 'responded_on') %}
    select
        '{{ grain }}' as time_grain,
        {{ start }} as period_start,
        {{ 'last_on' if grain == 'all' else period_end(grain, start) }} as period_end,
        metric,
        survey_type,
        nps_class,
        {%- for dimension in dimensions %}
        coalesce({{ dimension }}, '(unknown)') as {{ dimension }},
        {%- endfor %}
        hours_to_first_contact
        {%- for condition, name in flags.items() %},
        case when {{ condition }} then 1 else 0 end as {{ name }}
        {%- endfor %}
    from cases
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
),

counted as (
    select
        {{ cell | join(', ') }},
        {{ grouped_dimension(dimensions) }} as dimension,
        {{ grouped_dimension(dimensions, value=true) }} as segment,
        count(*) as cases,
        count(hours_to_first_contact) as contacted,
        percentile_cont(0.5e0) within group (order by hours_to_first_contact asc nulls last) as median_hours,
        percentile_cont(0.9e0) within group (order by hours_to_first_contact asc nulls last) as p90_hours
        {%- for name in flags.values() %},
        cast(sum({{ name }}) as bigint) as {{ name }}
        {%- endfor %}
    from dated
    group by grouping sets (
        ({{ cell | join(', ') }})
        {%- for dimension in dimensions %},
        ({{ cell | join(', ') }}, {{ dimension }})
        {%- endfor %}
    )
),

judged as (
    select
        counted.*,
        workspace.min_group_size,
        counted.cases < workspace.min_group_size as is_suppressed,
        {{ assumption('confidence_z') }} as z
    from counted
    cross join {{ source('raw', 'workspace') }} as workspace
)

select
    {{ cell | join(', ') }},
    dimension,
    segment,
    cases,
    contacted,
    case when contacted >= min_group_size then median_hours end as median_hours_to_first_contact,
    case when contacted >= min_group_size then p90_hours end as p90_hours_to_first_contact,
    {%- for share, (k, n) in {'within_sla': ('within_sla', 'due'), 'recovered': ('recovered', 'answered_again')}.items() %}
    {{ n }},
    {{ k }},
    case when {{ n }} >= min_group_size then 1e0 * {{ k }} / nullif({{ n }}, 0) end as {{ share }}_share,
    case when {{ n }} >= min_group_size then {{ share_bound(-1, k, n, 'z') }} end as {{ share }}_ci_low,
    case when {{ n }} >= min_group_size then {{ share_bound(1, k, n, 'z') }} end as {{ share }}_ci_high,
    {%- endfor %}
    open_cases,
    overdue,
    reopened,
    closed,
    explained,
    is_suppressed
from judged
