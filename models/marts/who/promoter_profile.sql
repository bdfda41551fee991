{%- set prior = assumption('log_odds_prior') -%}

with smoothed as (
    select
        *,
        promoters + {{ prior }} as promoters_smoothed,
        voices - promoters + {{ prior }} as rest_smoothed,
        other_promoters + {{ prior }} as other_promoters_smoothed,
        other_voices - other_promoters + {{ prior }} as other_rest_smoothed
    from {{ ref('int_profile_levels_compared') }}
),

measured as (
    select
        *,
        1e0 * promoters / voices as share,
        1e0 * other_promoters / nullif(other_voices, 0) as other_share,
        (1e0 * promoters / voices) / nullif(1e0 * other_promoters / nullif(other_voices, 0), 0) as lift,
        -- where nobody is a promoter, or everybody, the ratio's error is not known
        case
            when promoters > 0 and other_promoters > 0 and promoters + other_promoters < voices + other_voices
                then sqrt(1e0 / promoters - 1e0 / voices + 1e0 / other_promoters - 1e0 / other_voices)
        end as log_lift_error,
        ln(promoters_smoothed / rest_smoothed) - ln(other_promoters_smoothed / other_rest_smoothed) as log_odds,
        sqrt(1 / promoters_smoothed + 1 / rest_smoothed + 1 / other_promoters_smoothed + 1 / other_rest_smoothed) as log_odds_error,
        {{ assumption('confidence_z') }} as quantile
    from smoothed
),

tested as (
    select
        *,
        {{ two_sided_p('(log_odds / log_odds_error)') }} as p_value
    from measured
),

{{ benjamini_hochberg('tested', 'p_value', ['metric', 'survey_type']) }},

final as (
    select
        adjusted.metric,
        adjusted.survey_type,
        attributes.kind,
        attributes.attribute_name as attribute,
        adjusted.level,
        adjusted.voices,
        adjusted.promoters,
        adjusted.share,
        adjusted.other_voices,
        adjusted.other_promoters,
        adjusted.other_share,
        adjusted.is_suppressed,
        adjusted.lift,
        adjusted.lift * exp(-adjusted.quantile * adjusted.log_lift_error) as lift_ci_low,
        adjusted.lift * exp(adjusted.quantile * adjusted.log_lift_error) as lift_ci_high,
        adjusted.log_odds,
        adjusted.log_odds - adjusted.quantile * adjusted.log_odds_error as log_odds_ci_low,
        adjusted.log_odds + adjusted.quantile * adjusted.log_odds_error as log_odds_ci_high,
        adjusted.p_value,
        adjusted.comparisons,
        adjusted.p_adjusted,
        adjusted.p_adjusted <= {{ assumption('significance_level') }} as is_significant,
        cast({{ assumption('key_driver_days') }} as int) as horizon_days
    from adjusted
    inner join {{ ref('int_driver_attributes_named') }} as attributes on adjusted.attribute = attributes.attribute
)

select * from final
