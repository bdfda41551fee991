{{ config(materialized='view') }}

with totals as (
    select
        metric,
        survey_type,
        attribute,
        sum(voices) as voices,
        sum(promoters) as promoters
    from {{ ref('int_driver_levels_counted') }}
    group by metric, survey_type, attribute
),

compared as (
    select
        levels.*,
        totals.voices - levels.voices as other_voices,
        totals.promoters - levels.promoters as other_promoters,
        least(levels.voices, totals.voices - levels.voices) < workspace.min_group_size as is_suppressed
    from {{ ref('int_driver_levels_counted') }} as levels
    inner join totals
        on
            levels.metric = totals.metric
            and levels.survey_type = totals.survey_type
            and levels.attribute = totals.attribute
    -- a second cut of employees' answers could be subtracted from that by department
    inner join {{ ref('metrics') }} as metrics on levels.metric = metrics.metric and metrics.population = 'customers'
    cross join {{ source('raw', 'workspace') }} as workspace
)

select
    metric,
    survey_type,
    attribute,
    level,
    voices,
    cast(other_voices as bigint) as other_voices,
    is_suppressed,
    case when not is_suppressed then promoters end as promoters,
    case when not is_suppressed then cast(other_promoters as bigint) end as other_promoters
from compared
