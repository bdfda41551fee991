{%- set cell = 'basis, metric, survey_type, dimension, segment' -%}

with curves as (
    select
        *,
        churned + censored as ended
    from {{ ref('nps_retention_curves') }}
),

workspace as (
    select * from {{ source('raw', 'workspace') }}
),

classes as (
    select
        {{ cell }},
        nps_class,
        sum(ended) as records
    from curves
    group by {{ cell }}, nps_class
),

pairs as (
    select
        a.basis,
        a.metric,
        a.survey_type,
        a.dimension,
        a.segment,
        a.nps_class,
        b.nps_class as compared_class
    from classes as a
    inner join classes as b
        on
            a.basis = b.basis
            and a.metric = b.metric
            and a.survey_type = b.survey_type
            and a.dimension = b.dimension
            and a.segment = b.segment
            and a.nps_class < b.nps_class
),

-- the days of both classes, one row a day: a day of either needs those at risk in both
sides as (
    {%- for own, other in [('nps_class', 'compared_class'), ('compared_class', 'nps_class')] %}
    select
        pairs.basis,
        pairs.metric,
        pairs.survey_type,
        pairs.dimension,
        pairs.segment,
        pairs.nps_class,
        pairs.compared_class,
        curves.days,
        {%- if loop.first %}
        curves.ended,
        curves.churned,
        0 as compared_ended,
        0 as compared_churned
        {%- else %}
        0 as ended,
        0 as churned,
        curves.ended as compared_ended,
        curves.churned as compared_churned
        {%- endif %}
    from pairs
    inner join curves
        on
            pairs.basis = curves.basis
            and pairs.metric = curves.metric
            and pairs.survey_type = curves.survey_type
            and pairs.dimension = curves.dimension
            and pairs.segment = curves.segment
            and pairs.{{ own }} = curves.nps_class
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
),

common_days as (
    select
        {{ cell }},
        nps_class,
        compared_class,
        days,
        sum(ended) as ended,
        sum(churned) as churned,
        sum(compared_ended) as compared_ended,
        sum(compared_churned) as compared_churned
    from sides
    group by {{ cell }}, nps_class, compared_class, days
),

-- as doubles: products of four counts outgrow every integer
at_risk as (
    select
        *,
        1.0 * (churned + compared_churned) as lost,
        1.0 * sum(ended) over still_there as stayed,
        1.0 * sum(compared_ended) over still_there as compared_stayed
    from common_days
    window still_there as (
        partition by {{ cell }}, nps_class, compared_class order by days desc
        rows between unbounded preceding and current row
    )
),

dispersed as (
    select
        *,
        lost * (stayed / (stayed + compared_stayed)) * (compared_stayed / (stayed + compared_stayed))
        * (stayed + compared_stayed - lost) / nullif(stayed + compared_stayed - 1, 0) as day_variance
    from at_risk
),

-- if the classes churned alike, the day's churned would fall on them as those at risk do: the
-- hypergeometric mean and variance
summed as (
    select
        {{ cell }},
        nps_class,
        compared_class,
        cast(sum(ended) as bigint) as records,
        cast(sum(compared_ended) as bigint) as compared_records,
        cast(sum(churned) as bigint) as churned,
        {{ exact_sum('lost * stayed / (stayed + compared_stayed)') }} as expected_churned,
        cast(sum(compared_churned) as bigint) as compared_churned,
        {{ exact_sum('lost * compared_stayed / (stayed + compared_stayed)') }} as compared_expected_churned,
        {{ exact_sum('day_variance') }} as variance
    from dispersed
    group by {{ cell }}, nps_class, compared_class
),

judged as (
    select
        summed.*,
        summed.records < workspace.min_group_size or summed.compared_records < workspace.min_group_size as is_suppressed
    from summed
    cross join workspace
),

tested as (
    select
        *,
        case
            when not is_suppressed
                then abs(churned - expected_churned) / sqrt(nullif(variance, 0))
        end as z
    from judged
),

valued as (
    select
        *,
        {{ two_sided_p('z') }} as p_value
    from tested
),

{{ benjamini_hochberg('valued', 'p_value', ['basis', 'metric', 'survey_type', 'dimension', 'segment']) }},

final as (
    select
        basis,
        metric,
        survey_type,
        dimension,
        segment,
        nps_class,
        compared_class,
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
