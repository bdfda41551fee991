with fitted as (
    select
        *,
        case when unknown_because is null then coefficient / nullif(standard_error, 0) end as z,
        {{ assumption('confidence_z') }} as confidence_z
    from {{ ref('int_retention_hazards_fitted') }}
),

valued as (
    select
        *,
        {{ two_sided_p('z') }} as p_value,
        {{ two_sided_p('proportionality_z') }} as proportionality_p_value
    from fitted
),

{{ benjamini_hochberg('valued', 'p_value', ['metric', 'survey_type', 'kind', 'covariate']) }},

final as (
    select
        metric,
        survey_type,
        kind,
        covariate,
        level,
        reference,
        customers,
        churned,
        {%- for prefix in ['', 'unadjusted_'] %}
        round(exp({{ prefix }}coefficient), 9) as {{ prefix }}hazard_ratio,
        round(exp({{ prefix }}coefficient - confidence_z * {{ prefix }}standard_error), 9) as {{ prefix }}ci_low,
        round(exp({{ prefix }}coefficient + confidence_z * {{ prefix }}standard_error), 9) as {{ prefix }}ci_high,
        {%- endfor %}
        z,
        p_value,
        comparisons,
        p_adjusted,
        p_adjusted <= {{ assumption('significance_level') }} as is_significant,
        proportionality_p_value,
        adjusted_for,
        known_customers,
        drawn_customers,
        drawn_customers < known_customers as is_sampled,
        cast({{ assumption('random_seed') }} as bigint) as random_seed,
        model_customers,
        model_churned,
        concordance,
        model_proportionality_p_value,
        unknown_because
    from adjusted
)

select * from final
