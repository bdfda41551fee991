{%- set grains = time_grains('quarter') + ['all'] -%}
{%- set cell = ['time_grain', 'period_start', 'period_end', 'metric', 'survey_type', 'dimension', 'segment', 'from_class', 'follow_up'] -%}

with spans as (
    select
        metric,
        survey_type,
        min(next_responded_on) as first_on,
        max(next_responded_on) as last_on
    from {{ ref('int_transitions_counted') }}
    where dimension = 'all'
    group by 1, 2
),

summed as (
    {%- for grain in grains %}
    {%- set start = 'spans.first_on' if grain == 'all' else period_start(grain, 'days.next_responded_on') %}
    select
        '{{ grain }}' as time_grain,
        {{ start }} as period_start,
        {{ 'spans.last_on' if grain == 'all' else period_end(grain, start) }} as period_end,
        days.metric,
        days.survey_type,
        days.dimension,
        days.segment,
        days.from_class,
        days.to_class,
        days.was_followed_up,
        sum(days.transitions) as transitions
    from {{ ref('int_transitions_counted') }} as days
    inner join spans on days.metric = spans.metric and days.survey_type = spans.survey_type
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
),

followed as (
    {%- for follow_up, condition in {'any': 'true', 'followed_up': 'was_followed_up', 'not_followed_up': 'not was_followed_up'}.items() %}
    select
        summed.*,
        '{{ follow_up }}' as follow_up
    from summed
    where {{ condition }}
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
),

classes as (
    select distinct
        metric,
        nps_class,
        contribution
    from {{ ref('metric_scales') }}
),

-- every class of the metric has its cell, the empty ones too
counted as (
    select
        {%- for column in cell %}
        followed.{{ column }},
        {%- endfor %}
        to_classes.nps_class as to_class,
        to_classes.contribution > from_classes.contribution as is_better,
        sum(case when followed.to_class = to_classes.nps_class then followed.transitions else 0 end) as transitions
    from followed
    inner join classes as from_classes on followed.metric = from_classes.metric and followed.from_class = from_classes.nps_class
    inner join classes as to_classes on followed.metric = to_classes.metric
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
),

totalled as (
    select
        *,
        sum(transitions) over from_class_rows as from_transitions,
        sum(case when is_better then transitions else 0 end) over from_class_rows as improved
    from counted
    window from_class_rows as (partition by {{ cell | join(', ') }})
),

judged as (
    select
        totalled.*,
        totalled.from_transitions < workspace.min_group_size as is_suppressed,
        {{ assumption('confidence_z') }} as z
    from totalled
    cross join {{ source('raw', 'workspace') }} as workspace
)

select
    {{ cell | join(', ') }},
    to_class,
    cast(transitions as bigint) as transitions,
    cast(from_transitions as bigint) as from_transitions,
    {%- for name, count in {'': 'transitions', 'improved_': 'improved'}.items() %}
    {{ 'cast(improved as bigint) as improved,' if name }}
    case when not is_suppressed then 1e0 * {{ count }} / nullif(from_transitions, 0) end as {{ name }}share,
    case when not is_suppressed then {{ share_bound(-1, count, 'from_transitions', 'z') }} end as {{ name }}ci_low,
    case when not is_suppressed then {{ share_bound(1, count, 'from_transitions', 'z') }} end as {{ name }}ci_high,
    {%- endfor %}
    is_suppressed
from judged
