{%- set windows = [90, 365] -%}

with last_build as (
    select as_of_on from {{ source('raw', 'last_build') }}
),

workspace as (
    select as_of_on from {{ source('raw', 'workspace') }}
),

-- a day leaves the window of 90 days when as_of passes the 90th day after it; an instant's business day,
-- which is within the UTC days around it, is computed only for what may be leaving
happened as (
    select
        customer_key,
        responded_on as happened_on
    from {{ ref('fct_nps_responses') }}
    union all
    select
        customer_key,
        used_on as happened_on
    from {{ ref('int_product_usage_versioned') }}
    where row_status = 'accepted'
    {%- for days in windows %}
    union all
    select
        money.customer_key,
        {{ business_date('money.moved_at') }} as happened_on
    from {{ ref('int_customer_money_moved') }} as money
    cross join last_build
    cross join workspace
    where
        money.revenue <> 0
        and money.moved_at >= {{ days_after('last_build.as_of_on', -days) }}
        and money.moved_at < {{ days_after('workspace.as_of_on', 2 - days) }}
    union all
    select
        tickets.customer_key,
        {{ business_date('tickets.opened_at') }} as happened_on
    from {{ ref('int_support_tickets_versioned') }} as tickets
    cross join last_build
    cross join workspace
    where
        tickets.row_status = 'accepted'
        and tickets.opened_at >= {{ days_after('last_build.as_of_on', -days) }}
        and tickets.opened_at < {{ days_after('workspace.as_of_on', 2 - days) }}
    {%- endfor %}
),

final as (
    select customer_key from {{ ref('int_customers_affected') }}

    union

    select happened.customer_key
    from happened
    cross join last_build
    cross join workspace
    where
        {{ is_batch() | lower }}
        and happened.customer_key is not null
        and (
            {%- for days in windows %}
            {{ 'or ' if not loop.first }}(
                happened.happened_on > {{ days_after('last_build.as_of_on', -days) }}
                and happened.happened_on <= {{ days_after('workspace.as_of_on', -days) }}
            )
            {%- endfor %}
        )
)

select * from final
