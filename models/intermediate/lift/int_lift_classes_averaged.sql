with averaged as (
    select
        classes.metric,
        classes.survey_type,
        classes.nps_class,
        classes.measure,
        classes.observed,
        classes.observed < workspace.min_group_size as is_suppressed,
        case when classes.observed >= workspace.min_group_size then classes.total end as total,
        case when classes.observed >= workspace.min_group_size then classes.total / nullif(classes.observed, 0) end as mean,
        case
            when classes.observed >= workspace.min_group_size
                then classes.deviation / sqrt(nullif(classes.observed, 0))
        end as standard_error,
        case when classes.observed > 1 then 1e0 * (classes.observed - 1) end as degrees,
        case
            when classes.customers > 0 and classes.delivered = 0 then 'not_delivered'
            when classes.customers > 0 and classes.observed = 0 then 'no_window_is_over'
            when classes.observed < workspace.min_group_size then 'too_few'
            when classes.total is null or (classes.observed > 1 and classes.deviation is null) then 'too_large'
        end as unknown_because
    from {{ ref('int_lift_classes_summed') }} as classes
    cross join {{ source('raw', 'workspace') }} as workspace
)

select
    averaged.*,
    passives.mean as passive_mean,
    passives.standard_error as passive_standard_error,
    passives.degrees as passive_degrees
from averaged
left join averaged as passives
    on
        averaged.metric = passives.metric
        and averaged.survey_type = passives.survey_type
        and averaged.measure = passives.measure
        and passives.nps_class = 'passive'
