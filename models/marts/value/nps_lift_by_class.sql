{%- set cell = ['metric', 'survey_type', 'nps_class', 'measure'] -%}

with averaged as (
    select * from {{ ref('int_lift_classes_averaged') }}
),

-- each class as it is, and as if all classes were spread over a dimension's segments like the base
rows_of_classes as (
    select
        {{ cell | join(', ') }},
        'all' as dimension,
        observed,
        cast(null as double) as covered_share,
        total,
        mean,
        standard_error,
        degrees,
        passive_mean,
        passive_standard_error,
        passive_degrees,
        is_suppressed,
        unknown_because
    from averaged

    union all

    select
        {%- for column in cell %}
        standardised.{{ column }},
        {%- endfor %}
        standardised.dimension,
        standardised.observed,
        standardised.covered_share,
        cast(null as double) as total,
        case when averaged.unknown_because is null then standardised.mean end as mean,
        case when averaged.unknown_because is null then standardised.standard_error end as standard_error,
        standardised.degrees,
        case when averaged.unknown_because is null then standardised.passive_mean end as passive_mean,
        case when averaged.unknown_because is null then standardised.passive_standard_error end as passive_standard_error,
        standardised.passive_degrees,
        averaged.is_suppressed,
        case
            when averaged.unknown_because is not null then averaged.unknown_because
            when standardised.covered_share is null then 'no_base'
            when standardised.mean is null then 'stratum_too_small'
        end as unknown_because
    from {{ ref('int_lift_standardised') }} as standardised
    inner join averaged
        on
            {%- for column in cell %}
            {{ 'and ' if not loop.first }}standardised.{{ column }} = averaged.{{ column }}
            {%- endfor %}
),

compared as (
    select
        *,
        mean - passive_mean as difference,
        -- relative to a negative mean a lift would have the wrong sign
        case when passive_mean > 0 then mean / passive_mean - 1 end as lift,
        power(standard_error, 2) as variance,
        power(passive_standard_error, 2) as passive_variance,
        case when nps_class <> 'passive' then nullif(sqrt(power(standard_error, 2) + power(passive_standard_error, 2)), 0) end as error_of_difference
    from rows_of_classes
),

-- Welch 1947: each class has its own variance; the degrees of freedom of their sum by Satterthwaite 1946
tested as (
    select
        *,
        {{ assumption('confidence_z') }} as confidence_z,
        difference / error_of_difference as z,
        case
            when error_of_difference > 0
                then
                    power(variance + passive_variance, 2)
                    / (coalesce(power(variance, 2) / degrees, 0) + coalesce(power(passive_variance, 2) / passive_degrees, 0))
        end as degrees_of_freedom
    from compared
),

deviated as (
    select
        *,
        error_of_difference * {{ t_quantile('confidence_z', 'degrees_of_freedom') }} as half_width,
        {{ t_as_normal('z', 'degrees_of_freedom') }} as deviate
    from tested
),

valued as (
    select
        *,
        {{ two_sided_p('deviate') }} as p_value
    from deviated
),

{{ benjamini_hochberg('valued', 'p_value', ['metric', 'survey_type', 'dimension']) }},

final as (
    select
        {{ cell | join(', ') }},
        dimension,
        cast({{ assumption('lift_days') }} as int) as horizon_days,
        observed,
        covered_share,
        round(total, 6) as total,
        mean,
        standard_error,
        passive_mean,
        passive_standard_error,
        difference,
        difference - half_width as ci_low,
        difference + half_width as ci_high,
        lift,
        z,
        degrees_of_freedom,
        p_value,
        comparisons,
        p_adjusted,
        p_adjusted <= {{ assumption('significance_level') }} as is_significant,
        is_suppressed,
        unknown_because
    from adjusted
)

select * from final
