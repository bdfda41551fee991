{% if is_batch() -%}
with last_build as (
    select as_of_on from {{ source('raw', 'last_build') }}
),

workspace as (
    select
        timezone,
        as_of_on
    from {{ source('raw', 'workspace') }}
),

happened as (
    select
        customer_key,
        responded_on as happened_on
    from {{ ref('int_responses_identified') }}
    union all
    select
        money.customer_key,
        {{ business_date('money.moved_at', 'workspace.timezone') }} as happened_on
    from {{ ref('int_customer_money_moved') }} as money
    cross join workspace
    where money.revenue <> 0
    union all
    select
        tickets.customer_key,
        {{ business_date('tickets.opened_at', 'workspace.timezone') }} as happened_on
    from {{ ref('int_support_tickets_versioned') }} as tickets
    cross join workspace
    where tickets.row_status = 'accepted'
    union all
    select
        customer_key,
        used_on as happened_on
    from {{ ref('int_product_usage_versioned') }}
    where row_status = 'accepted'
)

select customer_key from {{ ref('int_customers_touched') }}

union

-- a day leaves the window of 90 days when as_of passes the 90th day after it
select happened.customer_key
from happened
cross join last_build
cross join workspace
where
    happened.customer_key is not null
    and (
        {%- for days in [90, 365] %}
        {{ 'or ' if not loop.first }}(
            happened.happened_on > {{ days_after('last_build.as_of_on', -days) }}
            and happened.happened_on <= {{ days_after('workspace.as_of_on', -days) }}
        )
        {%- endfor %}
    )
{%- else -%}
-- depends_on: {{ ref('int_customers_touched') }}, {{ ref('int_responses_identified') }}, {{ ref('int_customer_money_moved') }}
-- depends_on: {{ ref('int_support_tickets_versioned') }}, {{ ref('int_product_usage_versioned') }}
select cast(null as {{ dbt.type_string() }}) as customer_key
where false
{%- endif %}
