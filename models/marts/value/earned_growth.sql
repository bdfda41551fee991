{%- set amounts = ['expansion_mrr', 'contraction_mrr', 'churned_mrr', 'reactivated_mrr', 'earned_new_mrr', 'bought_new_mrr', 'returned_mrr'] -%}

-- a period without movements has its row, too
with referrals as (
    select count(*) > 0 as is_delivered from {{ ref('int_referrals_versioned') }}
    where row_status = 'accepted'
),

-- what they paid before their first movement is unknown, so that they are counted and no figure contains them
unexplained as (
    select
        time_grain,
        count(distinct customer_key) as unexplained_customers
    from {{ ref('int_mrr_periods_classified') }}
    where part = 'unexplained'
    group by time_grain
),

filled as (
    select
        periods.time_grain,
        periods.period_start,
        periods.period_end,
        periods.is_complete,
        {%- for amount in amounts %}
        round(coalesce(summed.{{ amount }}, 0), 6) as {{ amount }},
        {%- endfor %}
        case when count(*) over earlier > 0 then round({{ exact_sum('coalesce(summed.net_mrr, 0)', 'over earlier') }}, 6) else 0 end as opening_mrr,
        round({{ exact_sum('coalesce(summed.net_mrr, 0)', 'over so_far') }}, 6) as closing_mrr,
        coalesce(summed.new_customers, 0) as new_customers,
        coalesce(summed.earned_customers, 0) as earned_customers,
        coalesce(unexplained.unexplained_customers, 0) as unexplained_customers,
        coalesce(summed.unattributed_customers, 0) = 0 and referrals.is_delivered as has_referral_information
    from {{ ref('int_growth_periods_listed') }} as periods
    cross join referrals
    left join {{ ref('int_growth_periods_summed') }} as summed
        on periods.time_grain = summed.time_grain and periods.period_start = summed.period_start
    left join unexplained on periods.time_grain = unexplained.time_grain
    window
        earlier as (
            partition by periods.time_grain order by periods.period_start asc nulls last
            rows between unbounded preceding and 1 preceding
        ),
        so_far as (
            partition by periods.time_grain order by periods.period_start asc nulls last
            rows between unbounded preceding and current row
        )
),

changed as (
    select
        *,
        expansion_mrr + contraction_mrr + churned_mrr + reactivated_mrr as retained_change,
        closing_mrr - opening_mrr as total_change,
        -- no rate of growth from nothing
        nullif(greatest(opening_mrr, 0e0), 0e0) as base_mrr
    from filled
),

-- Reichheld, Darnell and Burns 2021, Winning on Purpose
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
        case when has_referral_information then earned_new_mrr end as earned_new_mrr,
        case when has_referral_information then bought_new_mrr end as bought_new_mrr,
        closing_mrr,
        new_customers,
        case when has_referral_information then earned_customers end as earned_customers,
        unexplained_customers,
        1e0 + retained_change / base_mrr as nrr,
        total_change / base_mrr as growth,
        case when has_referral_information then (retained_change + earned_new_mrr) / base_mrr end as earned_growth_rate,
        -- of a business that shrinks no growth was earned: the share has no meaning then
        case
            when total_change / base_mrr > 0 and has_referral_information
                then (retained_change + earned_new_mrr) / total_change
        end as earned_share_of_growth,
        case
            when opening_mrr <= 0 then 'no_opening_mrr'
            when not has_referral_information then 'no_referrals'
        end as unknown_because
    from changed
)

select * from final
