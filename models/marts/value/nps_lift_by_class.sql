with averaged as (
    select
        classes.metric,
        classes.survey_type,
        classes.nps_class,
        classes.measure,
        cast({{ assumption('lift_days') }} as int) as horizon_days,
        classes.observed,
        classes.observed < workspace.min_group_size as is_suppressed,
        case when classes.observed >= workspace.min_group_size then classes.total end as total,
        case when classes.observed >= workspace.min_group_size then classes.total / nullif(classes.observed, 0) end as mean,
        case
            when classes.observed >= workspace.min_group_size
                then classes.deviation / sqrt(nullif(classes.observed, 0))
        end as standard_error,
        case
            when classes.customers > 0 and classes.delivered = 0 then 'not_delivered'
            when classes.customers > 0 and classes.observed = 0 then 'no_window_is_over'
            when classes.observed < workspace.min_group_size then 'too_few'
            when classes.total is null or (classes.observed > 1 and classes.deviation is null) then 'too_large'
        end as unknown_because
    from {{ ref('int_lift_classes_summed') }} as classes
    cross join {{ source('raw', 'workspace') }} as workspace
),

-- Welch 1947: each class has its own variance. Groups are large enough for the normal distribution
compared as (
    select
        averaged.*,
        passives.mean as passive_mean,
        averaged.mean - passives.mean as difference,
        -- relative to a negative mean a lift would have the wrong sign
        case when passives.mean > 0 then averaged.mean / passives.mean - 1 end as lift,
        case
            when averaged.nps_class <> 'passive'
                then (averaged.mean - passives.mean)
                / nullif(sqrt(power(averaged.standard_error, 2) + power(passives.standard_error, 2)), 0)
        end as z
    from averaged
    left join averaged as passives
        on
            averaged.metric = passives.metric
            and averaged.survey_type = passives.survey_type
            and averaged.measure = passives.measure
            and passives.nps_class = 'passive'
),

valued as (
    select
        *,
        {{ two_sided_p('z') }} as p_value
    from compared
),

{{ benjamini_hochberg('valued', 'p_value', ['metric', 'survey_type']) }},

final as (
    select
        metric,
        survey_type,
        nps_class,
        measure,
        horizon_days,
        observed,
        round(total, 6) as total,
        mean,
        standard_error,
        passive_mean,
        difference,
        lift,
        z,
        p_value,
        comparisons,
        p_adjusted,
        p_adjusted <= {{ assumption('significance_level') }} as is_significant,
        is_suppressed,
        unknown_because
    from adjusted
)

select * from final
