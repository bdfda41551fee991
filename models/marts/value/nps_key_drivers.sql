-- who answers low and who high, among levels that are known and not too small
with scored as (
    select
        levels.metric,
        levels.survey_type,
        levels.attribute,
        levels.level,
        1e0 * levels.contributions / levels.voices as score
    from {{ ref('int_driver_levels_counted') }} as levels
    cross join {{ source('raw', 'workspace') }} as workspace
    where levels.voices >= workspace.min_group_size and levels.level not in ('(unknown)', '(none)')
),

placed as (
    select
        *,
        row_number() over (partition by metric, survey_type, attribute order by score asc nulls last, level asc nulls last) as from_below,
        row_number() over (partition by metric, survey_type, attribute order by score desc nulls last, level asc nulls last) as from_above
    from scored
),

extremes as (
    select
        metric,
        survey_type,
        attribute,
        max(case when from_below = 1 then level end) as lowest_level,
        max(case when from_below = 1 then score end) as lowest_score,
        max(case when from_above = 1 then level end) as highest_level,
        max(case when from_above = 1 then score end) as highest_score
    from placed
    group by metric, survey_type, attribute
),

named as (
    select
        estimated.*,
        attributes.kind,
        attributes.attribute_name
    from {{ ref('int_drivers_estimated') }} as estimated
    inner join {{ ref('int_driver_attributes_named') }} as attributes on estimated.attribute = attributes.attribute
),

{{ benjamini_hochberg('named', 'p_value', ['metric', 'survey_type']) }},

final as (
    select
        adjusted.metric,
        adjusted.survey_type,
        adjusted.kind,
        adjusted.attribute_name as attribute,
        adjusted.levels,
        adjusted.voices,
        adjusted.r_squared,
        adjusted.share,
        adjusted.ci_low,
        adjusted.ci_high,
        adjusted.share / nullif(adjusted.r_squared, 0) as relative_share,
        adjusted.own_share,
        adjusted.added_share,
        adjusted.added_degrees,
        1e0 * (adjusted.levels - 1) / nullif(adjusted.voices - 1, 0) as chance_share,
        adjusted.p_value,
        adjusted.comparisons,
        adjusted.p_adjusted,
        adjusted.p_adjusted <= {{ assumption('significance_level') }} as is_significant,
        extremes.lowest_level,
        extremes.lowest_score,
        extremes.highest_level,
        extremes.highest_score,
        cast({{ assumption('key_driver_days') }} as int) as horizon_days,
        cast({{ assumption('key_driver_resamples') }} as int) as resamples,
        cast({{ assumption('random_seed') }} as bigint) as random_seed,
        adjusted.unknown_because
    from adjusted
    left join extremes
        on
            adjusted.metric = extremes.metric
            and adjusted.survey_type = extremes.survey_type
            and adjusted.attribute = extremes.attribute
)

select * from final
