-- Instants are compared first and dated last: one conversion a source instead of one an event.
with instants as (
    select
        'revenue' as measure,
        customer_source,
        min(invoiced_at) as first_at,
        max(invoiced_at) as last_at
    from {{ ref('int_invoices_versioned') }}
    where row_status = 'accepted'
    group by customer_source

    union all

    select
        'referrals' as measure,
        customer_source,
        min(referred_at) as first_at,
        max(referred_at) as last_at
    from {{ ref('int_referrals_versioned') }}
    where row_status = 'accepted'
    group by customer_source

    union all

    select
        'tickets' as measure,
        customer_source,
        min(opened_at) as first_at,
        max(opened_at) as last_at
    from {{ ref('int_support_tickets_versioned') }}
    where row_status = 'accepted'
    group by customer_source
),

workspace as (
    select timezone from {{ source('raw', 'workspace') }}
),

covered as (
    select
        instants.measure,
        instants.customer_source,
        {{ business_date('instants.first_at', 'workspace.timezone') }} as first_on,
        {{ business_date('instants.last_at', 'workspace.timezone') }} as last_on
    from instants
    cross join workspace

    union all

    select
        'usage' as measure,
        customer_source,
        min(used_on) as first_on,
        max(used_on) as last_on
    from {{ ref('int_product_usage_versioned') }}
    where row_status = 'accepted'
    group by customer_source
)

select * from covered
