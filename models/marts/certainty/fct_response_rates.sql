{%- set grains = time_grains() + ['all'] -%}
{%- set events = ['bounced', 'opted_out', 'delivered', 'opened', 'responded', 'scored'] -%}
{%- set cell = ['survey_key', 'survey_id', 'metric', 'survey_type', 'channel'] -%}

-- One pass over the invitations counts days; every longer cohort is a sum of days.
with days as (
    select
        source,
        sent_on
        {%- for column in cell %},
        coalesce(cast({{ column }} as {{ dbt.type_string() }}), '(unknown)') as {{ column }}
        {%- endfor %}
        {%- for event in events %},
        sum(case when is_{{ event }} then 1 else 0 end) as {{ event }},
        sum(case when is_{{ event }} is null then 1 else 0 end) as unknown_{{ event }}
        {%- endfor %},
        count(*) as sent
    from {{ ref('int_invitations_identified') }}
    group by 1, 2, 3, 4, 5, 6, 7
),

-- A source that reports an event of some invitations only gives no count of it: one that reports
-- answers alone implies that the answered arrived, and nothing about the rest.
sources as (
    select
        source
        {%- for event in events %},
        sum(unknown_{{ event }}) = 0 as reports_{{ event }}
        {%- endfor %}
    from days
    group by 1
),

spans as (
    select
        metric,
        survey_type,
        min(sent_on) as first_on,
        max(sent_on) as last_on
    from days
    group by 1, 2
),

counted as (
    {%- for grain in grains %}
    {%- set start = 'spans.first_on' if grain == 'all' else period_start(grain, 'days.sent_on') %}
    select
        '{{ grain }}' as time_grain,
        {{ start }} as cohort_start,
        {{ 'spans.last_on' if grain == 'all' else period_end(grain, start) }} as cohort_end
        {%- for column in cell %},
        days.{{ column }}
        {%- endfor %},
        max(days.sent_on) as last_sent_on,
        cast(sum(days.sent) as bigint) as sent
        {%- for event in events %},
        cast(case when max(case when sources.reports_{{ event }} then 0 else 1 end) = 0 then sum(days.{{ event }}) end as bigint) as {{ event }}
        {%- endfor %}
    from days
    inner join sources on days.source = sources.source
    inner join spans on days.metric = spans.metric and days.survey_type = spans.survey_type
    group by 1, 2, 3, 4, 5, 6, 7, 8
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
),

judged as (
    select
        counted.*,
        {{ days_after('counted.last_sent_on', 'cast(' ~ assumption('response_days') ~ ' as int)') }} < workspace.as_of_on as is_settled,
        counted.sent < workspace.min_group_size as is_suppressed,
        -- the rate of a few that arrived would describe persons, however many were sent
        coalesce(counted.delivered >= workspace.min_group_size, false) as has_arrivals,
        {{ assumption('confidence_z') }} as z
    from counted
    cross join {{ source('raw', 'workspace') }} as workspace
),

final as (
    select
        time_grain,
        cohort_start,
        cohort_end,
        survey_key,
        {{ public_text('survey_id', 'survey_key') }} as survey_id,
        metric,
        survey_type,
        channel,
        sent,
        bounced,
        opted_out,
        delivered,
        opened,
        responded,
        scored,
        case when not is_suppressed then 1e0 * delivered / nullif(sent, 0) end as delivery_rate,
        case when has_arrivals then 1e0 * opened / nullif(delivered, 0) end as open_rate,
        case when has_arrivals then 1e0 * scored / nullif(delivered, 0) end as response_rate,
        case when has_arrivals then {{ share_standard_error('scored', 'delivered', 'z') }} end as standard_error,
        case when has_arrivals then {{ share_bound(-1, 'scored', 'delivered', 'z') }} end as ci_low,
        case when has_arrivals then {{ share_bound(1, 'scored', 'delivered', 'z') }} end as ci_high,
        is_settled,
        is_suppressed
    from judged
)

select * from final
