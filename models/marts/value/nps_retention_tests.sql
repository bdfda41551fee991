{%- set family = ['basis', 'metric', 'survey_type', 'dimension', 'segment'] -%}

with tested as (
    select
        summed.*,
        least(summed.records, summed.compared_records) < workspace.min_group_size as is_suppressed,
        case
            when least(summed.records, summed.compared_records) >= workspace.min_group_size
                then abs(summed.churned - summed.expected_churned) / sqrt(nullif(summed.variance, 0))
        end as z
    from {{ ref('int_retention_pairs_summed') }} as summed
    cross join {{ source('raw', 'workspace') }} as workspace
),

valued as (
    select
        *,
        {{ two_sided_p('z') }} as p_value
    from tested
),

{{ benjamini_hochberg('valued', 'p_value', family) }},

final as (
    select
        basis,
        metric,
        survey_type,
        dimension,
        segment,
        nps_class,
        compared_class,
        followed_from,
        records,
        compared_records,
        churned,
        case when not is_suppressed then expected_churned end as expected_churned,
        compared_churned,
        case when not is_suppressed then compared_expected_churned end as compared_expected_churned,
        z * z as chi_squared,
        p_value,
        comparisons,
        p_adjusted,
        p_adjusted <= {{ assumption('significance_level') }} as is_significant,
        is_suppressed
    from adjusted
)

select * from final
