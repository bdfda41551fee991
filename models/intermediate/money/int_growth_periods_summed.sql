with periods as (
    select * from {{ ref('int_mrr_periods_classified') }}
    where part <> 'unexplained'
),

summed as (
    select
        time_grain,
        period_start,
        {{ exact_sum('net') }} as net_mrr,
        {{ exact_sum("case when part = 'base' then expansion else 0 end") }} as expansion_mrr,
        {{ exact_sum("case when part = 'base' then contraction else 0 end") }} as contraction_mrr,
        {{ exact_sum("case when part = 'base' then churned else 0 end") }} as churned_mrr,
        {{ exact_sum("case when part = 'base' then reactivated else 0 end") }} as reactivated_mrr,
        {{ exact_sum("case when part = 'earned' then net else 0 end") }} as earned_new_mrr,
        {{ exact_sum("case when part = 'bought' then net else 0 end") }} as bought_new_mrr,
        {{ exact_sum("case when part = 'returned' then net else 0 end") }} as returned_mrr,
        cast(sum(case when part in ('earned', 'bought') then 1 else 0 end) as bigint) as new_customers,
        cast(sum(case when part = 'earned' then 1 else 0 end) as bigint) as earned_customers,
        cast(sum(case when part in ('earned', 'bought') and not has_referral_information then 1 else 0 end) as bigint) as unattributed_customers
    from periods
    group by time_grain, period_start
)

select * from summed
