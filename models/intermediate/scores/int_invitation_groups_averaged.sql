{%- set group = ['metric', 'survey_type', 'measure', 'window_days', 'is_answered'] -%}

with measured as (
    select * from {{ ref('int_invitations_measured') }}
),

-- what is added to each of two groups of a proportion, such as csat's
priors as (
    select
        top_prior_of_two as gone_prior,
        middle_prior_of_two as stayed_prior
    from {{ ref('metrics') }}
    where metric = 'csat'
),

summed as (
    select
        {{ group | join(', ') }},
        max(case when is_delivered then 1 else 0 end) = 1 as is_delivered,
        cast(sum(case when is_excluded then customers else 0 end) as bigint) as excluded_customers,
        cast(sum(case when measured_value is not null then customers else 0 end) as bigint) as measured_customers,
        {{ exact_sum('customers * measured_value') }} as total
    from measured
    group by {{ group | join(', ') }}
),

means as (
    select
        *,
        total / nullif(measured_customers, 0) as mean
    from summed
),

deviations as (
    select
        {%- for column in group %}
        measured.{{ column }},
        {%- endfor %}
        measured.customers,
        measured.measured_value - means.mean as deviation
    from measured
    inner join means
        on
            {%- for column in group %}
            {{ 'and ' if not loop.first }}measured.{{ column }} is not distinct from means.{{ column }}
            {%- endfor %}
    where measured.measured_value is not null and measured.measure <> 'churn_rate'
),

squares as (
    select
        {{ group | join(', ') }},
        {{ exact_sum('customers * deviation * deviation') }} as squared_deviations
    from deviations
    group by {{ group | join(', ') }}
),

-- A share of 0 or 1 has no variance of its own, and a few that all stayed against a few that all left
-- would be untestable: shares are tested with priors (Agresti and Caffo 2000).
adjusted as (
    select
        means.*,
        squares.squared_deviations,
        means.measured_customers + priors.gone_prior + priors.stayed_prior as adjusted_customers,
        (means.total + priors.gone_prior) / (means.measured_customers + priors.gone_prior + priors.stayed_prior) as adjusted_share
    from means
    cross join priors
    left join squares
        on
            {%- for column in group %}
            {{ 'and ' if not loop.first }}means.{{ column }} is not distinct from squares.{{ column }}
            {%- endfor %}
),

-- of means the sample variance (over n - 1, so that a single value has none), over n
final as (
    select
        {{ group | join(', ') }},
        is_delivered,
        measured_customers as customers,
        excluded_customers,
        mean,
        case when measure = 'churn_rate' then adjusted_share else mean end as tested_mean,
        case
            when measure = 'churn_rate' then adjusted_share * (1 - adjusted_share) / nullif(adjusted_customers, 0)
            else squared_deviations / nullif(measured_customers - 1, 0) / nullif(measured_customers, 0)
        end as variance_of_mean
    from adjusted
)

select * from final
