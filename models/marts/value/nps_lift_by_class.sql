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
        passive_mean,
        passive_standard_error,
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
        case when averaged.unknown_because is null then standardised.passive_mean end as passive_mean,
        case when averaged.unknown_because is null then standardised.passive_standard_error end as passive_standard_error,
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

-- Welch 1947: each class has its own variance. Groups are large enough for the normal distribution
compared as (
    select
        *,
        mean - passive_mean as difference,
        -- relative to a negative mean a lift would have the wrong sign
        case when passive_mean > 0 then mean / passive_mean - 1 end as lift,
        case
            when nps_class <> 'passive'
                then (mean - passive_mean) / nullif(sqrt(power(standard_error, 2) + power(passive_standard_error, 2)), 0)
        end as z
    from rows_of_classes
),

valued as (
    select
        *,
        {{ two_sided_p('z') }} as p_value
    from compared
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
