{%- set pair = 'basis, metric, survey_type, dimension, nps_class, compared_class, followed_from' -%}

-- expected and observed are compared within each segment alone and then added up (Mantel 1966)
with summed as (
    select
        {{ pair }},
        count(*) as strata,
        cast(sum(case when variance > 0 then 1 else 0 end) as bigint) as compared_strata,
        cast(sum(records) as bigint) as records,
        cast(sum(compared_records) as bigint) as compared_records,
        cast(sum(churned) as bigint) as churned,
        {{ exact_sum('expected_churned') }} as expected_churned,
        cast(sum(compared_churned) as bigint) as compared_churned,
        {{ exact_sum('variance') }} as variance
    from {{ ref('int_retention_pairs_summed') }}
    where dimension <> 'all'
    group by {{ pair }}
),

tested as (
    select
        summed.*,
        least(summed.records, summed.compared_records) < workspace.min_group_size as is_suppressed,
        case
            when least(summed.records, summed.compared_records) >= workspace.min_group_size
                then (summed.churned - summed.expected_churned) / sqrt(nullif(summed.variance, 0))
        end as z
    from summed
    cross join {{ source('raw', 'workspace') }} as workspace
),

valued as (
    select
        *,
        {{ two_sided_p('z') }} as p_value
    from tested
),

{{ benjamini_hochberg('valued', 'p_value', ['basis', 'metric', 'survey_type', 'dimension']) }},

final as (
    select
        {{ pair }},
        strata,
        compared_strata,
        records,
        compared_records,
        churned,
        case when not is_suppressed then expected_churned end as expected_churned,
        compared_churned,
        z * z as chi_squared,
        p_value,
        comparisons,
        p_adjusted,
        p_adjusted <= {{ assumption('significance_level') }} as is_significant,
        is_suppressed
    from adjusted
)

select * from final
