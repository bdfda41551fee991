with dated as (
    select
        customers.customer_key,
        {{ segment_list('history.') }}
        {{ business_date('lifecycles.signed_up_at') }} as signed_up_on,
        {{ business_date('lifecycles.churned_at') }} as churned_on,
        {{ business_date('history.valid_from') }} as valid_from_on,
        {{ business_date('history.valid_to') }} as valid_to_on
    from {{ ref('int_customers_known') }} as customers
    left join {{ ref('int_customer_lifecycles_dated') }} as lifecycles on customers.customer_key = lifecycles.customer_key
    left join {{ ref('int_customer_history_built') }} as history on customers.customer_key = history.customer_key
),

-- greatest and least ignore NULL in one engine and return it in another
final as (
    select
        customer_key,
        {{ segment_list() }}
        case
            when signed_up_on is null then valid_from_on
            when valid_from_on is null then signed_up_on
            else greatest(signed_up_on, valid_from_on)
        end as starts_on,
        case
            when churned_on is null then valid_to_on
            when valid_to_on is null then churned_on
            else least(churned_on, valid_to_on)
        end as ends_on
    from dated
)

select * from final
