with counted as (
    select
        metric,
        survey_type,
        position,
        {{ grouped_dimension({'channel': 'channel'}) }} as dimension,
        {{ grouped_dimension({'channel': 'channel'}, value=true) }} as segment,
        case when grouping(nps_class) = 0 then nps_class else 'all' end as class_or_all,
        count(case when contribution > 0 then 1 end) as promoters,
        count(case when contribution = 0 then 1 end) as passives,
        count(case when contribution < 0 then 1 end) as detractors,
        count(case when is_observed then 1 end) as observed,
        count(case when is_observed and has_moved_on then 1 end) as moved_on
    from {{ ref('int_journey_answers_followed') }}
    group by grouping sets (
        (metric, survey_type, position),
        (metric, survey_type, position, channel),
        (metric, survey_type, position, nps_class),
        (metric, survey_type, position, channel, nps_class)
    )
),

{{ score_counts('counted') }},

-- nobody goes on from the last stage
staged as (
    select
        scored.*,
        stages.stage,
        following.stage as next_stage,
        case when following.stage is not null then scored.observed end as followed,
        case when following.stage is not null then scored.moved_on end as converted,
        following.stage is not null and scored.observed >= workspace.min_group_size as is_rated
    from scored
    inner join {{ source('raw', 'journey') }} as stages on scored.position = stages.position
    left join {{ source('raw', 'journey') }} as following on scored.position + 1 = following.position
    cross join {{ source('raw', 'workspace') }} as workspace
)

select
    metric,
    survey_type,
    cast(position as int) as stage_number,
    stage,
    next_stage,
    dimension,
    segment,
    class_or_all as nps_class,
    cast(responses as bigint) as responses,
    cast(promoters as bigint) as promoters,
    cast(passives as bigint) as passives,
    cast(detractors as bigint) as detractors,
    nps,
    standard_error,
    ci_low,
    ci_high,
    is_suppressed,
    cast(followed as bigint) as observed,
    cast(converted as bigint) as converted,
    case when is_rated then 1e0 * converted / nullif(followed, 0) end as conversion_rate,
    case when is_rated then {{ share_bound(-1, 'converted', 'followed', 'z') }} end as conversion_ci_low,
    case when is_rated then {{ share_bound(1, 'converted', 'followed', 'z') }} end as conversion_ci_high
from staged
