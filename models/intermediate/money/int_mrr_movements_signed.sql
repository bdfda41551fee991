with movements as (
    select * from {{ ref('int_mrr_movements_versioned') }}
    where row_status = 'accepted'
),

-- some sources write a loss as a negative amount, others as a positive one whose kind says that it is a
-- loss; in the former a positive loss takes an earlier one back
sources as (
    select
        customer_source,
        min(amount) < 0 as has_signed_losses
    from movements
    where kind in ('contraction', 'churn')
    group by customer_source
),

signed as (
    select
        movements.customer_key,
        movements.customer_source,
        {{ business_date('movements.moved_at') }} as moved_on,
        movements.kind,
        case
            when movements.kind in ('contraction', 'churn') and not sources.has_signed_losses then -movements.amount
            else movements.amount
        end as amount
    from movements
    left join sources on movements.customer_source = sources.customer_source
)

select * from signed
