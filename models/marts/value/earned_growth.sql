{%- set grains = ['month', 'quarter', 'year'] -%}
{%- set retained_change = 'expansion_mrr + contraction_mrr + churned_mrr + reactivated_mrr' -%}

with placed as (
    select * from {{ ref('int_mrr_periods_placed') }}
),

workspace as (
    select * from {{ source('raw', 'workspace') }}
),

telling as (
    select count(*) as referrals from {{ ref('int_referrals_versioned') }}
    where row_status = 'accepted'
),

-- whose first movement is no beginning paid before the deliveries began: what they pay is known, what
-- they paid is not, so that they stand aside
unexplained as (
    select
        time_grain,
        count(distinct case when part = 'unexplained' then customer_key end) as unexplained_customers
    from placed
    group by time_grain
),

summed as (
    select
        time_grain,
        period_start,
        {{ exact_sum('net') }} as net,
        {{ exact_sum("case when part = 'base' then expansion else 0 end") }} as expansion_mrr,
        {{ exact_sum("case when part = 'base' then contraction else 0 end") }} as contraction_mrr,
        {{ exact_sum("case when part = 'base' then churned else 0 end") }} as churned_mrr,
        {{ exact_sum("case when part = 'base' then reactivated else 0 end") }} as reactivated_mrr,
        {{ exact_sum("case when part = 'earned' then net else 0 end") }} as earned_new_mrr,
        {{ exact_sum("case when part = 'bought' then net else 0 end") }} as bought_new_mrr,
        {{ exact_sum("case when part = 'returned' then net else 0 end") }} as returned_mrr,
        sum(case when part in ('earned', 'bought') then 1 else 0 end) as new_customers,
        sum(case when part = 'earned' then 1 else 0 end) as earned_customers,
        sum(case when part in ('earned', 'bought') and not tells_of_referrals then 1 else 0 end) as untold_customers
    from placed
    where part <> 'unexplained'
    group by time_grain, period_start
),

-- every period since the first movement has its row, also those in which nothing moved
months as (
    {{ dbt.generate_series(1200) }}
),

spans as (
    select min(period_start) as first_on from placed
    where time_grain = 'month'
),

listed as (
    select
        {{ period_start('month', dbt.dateadd('month', '1 - months.generated_number', 'workspace.as_of_on')) }} as month_start,
        workspace.as_of_on
    from months
    cross join workspace
),

periods as (
    {%- for grain in grains %}
    select distinct
        '{{ grain }}' as time_grain,
        {{ period_start(grain, 'listed.month_start') }} as period_start,
        {{ days_after(dbt.dateadd(grain, 1, period_start(grain, 'listed.month_start')), -1) }} as period_end,
        listed.as_of_on
    from listed
    inner join spans on listed.month_start >= spans.first_on
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
),

filled as (
    select
        periods.time_grain,
        periods.period_start,
        periods.period_end,
        periods.period_end <= periods.as_of_on as is_complete,
        {%- for column in ['expansion_mrr', 'contraction_mrr', 'churned_mrr', 'reactivated_mrr', 'earned_new_mrr', 'bought_new_mrr', 'returned_mrr'] %}
        round(coalesce(summed.{{ column }}, 0), 6) as {{ column }},
        {%- endfor %}
        {%- for column in ['new_customers', 'earned_customers', 'untold_customers'] %}
        cast(coalesce(summed.{{ column }}, 0) as bigint) as {{ column }},
        {%- endfor %}
        case when count(*) over earlier > 0 then round({{ exact_sum('coalesce(summed.net, 0)', 'over earlier') }}, 6) else 0 end as opening_mrr,
        round({{ exact_sum('coalesce(summed.net, 0)', 'over so_far') }}, 6) as closing_mrr,
        cast(unexplained.unexplained_customers as bigint) as unexplained_customers,
        coalesce(summed.untold_customers, 0) = 0 and telling.referrals > 0 as tells_of_referrals
    from periods
    left join summed
        on periods.time_grain = summed.time_grain and periods.period_start = summed.period_start
    left join unexplained on periods.time_grain = unexplained.time_grain
    cross join telling
    window
        earlier as (
            partition by periods.time_grain order by periods.period_start
            rows between unbounded preceding and 1 preceding
        ),
        so_far as (
            partition by periods.time_grain order by periods.period_start
            rows between unbounded preceding and current row
        )
),

rated as (
    select
        *,
        {{ net_revenue_retention('opening_mrr', retained_change) }} as nrr,
        (closing_mrr - opening_mrr) / nullif(greatest(opening_mrr, 0), 0) as growth,
        case
            when tells_of_referrals then {{ earned_growth_rate('opening_mrr', retained_change, 'earned_new_mrr') }}
        end as earned_growth_rate
    from filled
),

final as (
    select
        time_grain,
        period_start,
        period_end,
        is_complete,
        opening_mrr,
        expansion_mrr,
        contraction_mrr,
        churned_mrr,
        reactivated_mrr,
        returned_mrr,
        round(earned_new_mrr + bought_new_mrr, 6) as new_mrr,
        case when tells_of_referrals then earned_new_mrr end as earned_new_mrr,
        case when tells_of_referrals then bought_new_mrr end as bought_new_mrr,
        closing_mrr,
        new_customers,
        case when tells_of_referrals then earned_customers end as earned_customers,
        unexplained_customers,
        nrr,
        growth,
        earned_growth_rate,
        -- of a business that shrinks nothing of its growth was earned: the share means nothing then
        case
            when growth > 0 and tells_of_referrals then ({{ retained_change }} + earned_new_mrr) / (closing_mrr - opening_mrr)
        end as earned_share_of_growth,
        case
            when opening_mrr <= 0 then 'no_opening_mrr'
            when not tells_of_referrals then 'no_referrals'
        end as unknown_because
    from rated
)

select * from final
