{%- set pair = ['level', 'metric', 'survey_type', 'kpi', 'kpi_survey_type'] -%}

-- equal values share the mean of their ranks; coefficients are rounded, as sums of doubles depend on the order of rows
with ranked_values as (
    select
        {{ pair | join(', ') }},
        x,
        y,
        rank() over (partition by {{ pair | join(', ') }} order by x asc nulls last)
        + (count(*) over (partition by {{ pair | join(', ') }}, x) - 1) / 2e0 as x_rank,
        rank() over (partition by {{ pair | join(', ') }} order by y asc nulls last)
        + (count(*) over (partition by {{ pair | join(', ') }}, y) - 1) / 2e0 as y_rank
    from {{ ref('int_kpis_paired') }}
),

measured as (
    {%- for method, x, y in [('pearson', 'x', 'y'), ('spearman', 'x_rank', 'y_rank')] %}
    select
        {{ pair | join(', ') }},
        '{{ method }}' as method,
        count(*) as n,
        case when min(x) < max(x) and min(y) < max(y) then round(corr({{ x }}, {{ y }}), 10) end as coefficient
    from ranked_values
    group by {{ pair | join(', ') }}
    {%- if loop.first %}

    union all
    {% endif %}
    {%- endfor %}
),

explained as (
    select
        measured.*,
        {{ assumption('confidence_z') }} as quantile,
        case
            when measured.n < greatest(workspace.min_group_size, {{ assumption('min_correlated') }}) then 'too_few'
            when measured.coefficient is null then 'nothing_varies'
            -- up to rounding; on a line there is no spread to judge an error by
            when abs(measured.coefficient) > 1 - 1e-12 then 'on_a_line'
        end as untested_because
    from measured
    cross join {{ source('raw', 'workspace') }} as workspace
),

-- Fisher's transformation makes the coefficient nearly normal
transformed as (
    select
        *,
        case when untested_because is null then ln((1 + coefficient) / (1 - coefficient)) / 2e0 end as fisher_z,
        case
            when untested_because is null
                then sqrt((1 + case when method = 'spearman' then power(coefficient, 2) / 2e0 else 0e0 end) / (n - 3))
        end as fisher_error
    from explained
),

standardised as (
    select
        *,
        fisher_z / fisher_error as z,
        exp(2 * (fisher_z - quantile * fisher_error)) as low,
        exp(2 * (fisher_z + quantile * fisher_error)) as high
    from transformed
),

tested as (
    select
        *,
        {{ two_sided_p('z') }} as p_value
    from standardised
),

{{ benjamini_hochberg('tested', 'p_value', ['level', 'method']) }},

final as (
    select
        {{ pair | join(', ') }},
        method,
        n,
        case when untested_because is null or untested_because = 'on_a_line' then coefficient end as coefficient,
        (low - 1) / (low + 1) as ci_low,
        (high - 1) / (high + 1) as ci_high,
        p_value,
        comparisons,
        p_adjusted,
        p_adjusted <= {{ assumption('significance_level') }} as is_significant,
        untested_because
    from adjusted
)

select * from final
