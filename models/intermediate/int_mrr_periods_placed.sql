{%- set grains = ['month', 'quarter', 'year'] -%}

with movements as (
    select * from {{ ref('int_mrr_movements_versioned') }}
    where row_status = 'accepted'
),

referrals as (
    select * from {{ ref('int_referrals_versioned') }}
    where row_status = 'accepted'
),

workspace as (
    select * from {{ source('raw', 'workspace') }}
),

-- some sources write what goes down with a sign, others leave it to the kind; where they write it, a
-- loss without one takes a loss back
signs as (
    select
        customer_source,
        min(amount) < 0 as signs_losses
    from movements
    where kind in ('contraction', 'churn')
    group by customer_source
),

moved as (
    select
        movements.customer_key,
        movements.customer_source,
        {{ business_date('movements.moved_at', 'workspace.timezone') }} as moved_on,
        movements.kind,
        case
            when movements.kind in ('contraction', 'churn') and not signs.signs_losses then -movements.amount
            else movements.amount
        end as amount
    from movements
    cross join workspace
    left join signs on movements.customer_source = signs.customer_source
),

-- a customer whose first movement is no beginning paid before the deliveries began
beginnings as (
    select
        customer_key,
        min(moved_on) as first_on,
        coalesce(min(case when kind = 'new' then moved_on end) = min(moved_on), false) as begins_new
    from moved
    group by customer_key
),

referred as (
    select distinct referred_customer_key as customer_key from referrals
    where referred_customer_key is not null
),

-- silence about referrals is no proof that growth was bought: a source tells of them from its first
telling as (
    select
        referrals.customer_source,
        min({{ business_date('referrals.referred_at', 'workspace.timezone') }}) as first_on
    from referrals
    cross join workspace
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
    from moved
    group by {{ period_start(grain, 'moved_on') }}, customer_key, customer_source
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
),

opened as (
    select
        netted.*,
        round({{ exact_sum('netted.net', 'over so_far') }}, 6) as opening,
        row_number() over (partition by netted.time_grain, netted.customer_key order by netted.period_start) = 1 as is_first
    from netted
    window so_far as (
        partition by netted.time_grain, netted.customer_key
        order by netted.period_start
        rows between unbounded preceding and 1 preceding
    )
),

-- who paid at the period's beginning is its base; who came in it was earned or bought; who came
-- back to us is neither
placed as (
    select
        opened.*,
        case
            when not beginnings.begins_new then 'unexplained'
            when opened.is_first and referred.customer_key is not null then 'earned'
            when opened.is_first then 'bought'
            when opened.opening > 0 then 'base'
            else 'returned'
        end as part,
        coalesce(telling.first_on <= beginnings.first_on, false) as tells_of_referrals
    from opened
    inner join beginnings on opened.customer_key = beginnings.customer_key
    left join referred on opened.customer_key = referred.customer_key
    left join telling on opened.customer_source = telling.customer_source
)

select * from placed
