{%- set grains = time_grains('month') -%}

with movements as (
    select * from {{ ref('int_mrr_movements_signed') }}
),

referrals as (
    select * from {{ ref('int_referrals_versioned') }}
    where row_status = 'accepted'
),

-- a customer whose first movement is of another kind than `new` paid before the deliveries start
customers as (
    select
        customer_key,
        min(moved_on) as first_on,
        coalesce(min(case when kind = 'new' then moved_on end) = min(moved_on), false) as starts_new
    from movements
    group by customer_key
),

referred as (
    select distinct referred_customer_key as customer_key from referrals
    where referred_customer_key is not null
),

-- who came before a source's first referral may have been referred all the same
sources as (
    select
        referrals.customer_source,
        min({{ business_date('referrals.referred_at') }}) as first_referral_on
    from referrals
    group by referrals.customer_source
),

netted as (
    {%- for grain in grains %}
    select
        '{{ grain }}' as time_grain,
        {{ period_start(grain, 'moved_on') }} as period_start,
        customer_key,
        customer_source,
        {{ exact_sum('amount') }} as net,
        {{ exact_sum("case when kind in ('expansion', 'new') then amount else 0 end") }} as expansion,
        {{ exact_sum("case when kind = 'contraction' then amount else 0 end") }} as contraction,
        {{ exact_sum("case when kind = 'churn' then amount else 0 end") }} as churned,
        {{ exact_sum("case when kind = 'reactivation' then amount else 0 end") }} as reactivated
    from movements
    group by {{ period_start(grain, 'moved_on') }}, customer_key, customer_source
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
),

opened as (
    select
        *,
        round({{ exact_sum('net', 'over so_far') }}, 6) as opening,
        row_number() over (partition by time_grain, customer_key order by period_start asc nulls last) = 1 as is_first
    from netted
    window so_far as (
        partition by time_grain, customer_key
        order by period_start asc nulls last
        rows between unbounded preceding and 1 preceding
    )
),

classified as (
    select
        opened.*,
        case
            when not customers.starts_new then 'unexplained'
            when opened.is_first and referred.customer_key is not null then 'earned'
            when opened.is_first then 'bought'
            when opened.opening > 0 then 'base'
            else 'returned'
        end as part,
        coalesce(sources.first_referral_on <= customers.first_on, false) as has_referral_information
    from opened
    inner join customers on opened.customer_key = customers.customer_key
    left join referred on opened.customer_key = referred.customer_key
    left join sources on opened.customer_source = sources.customer_source
)

select * from classified
