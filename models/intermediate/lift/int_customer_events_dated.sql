{{ config(materialized='view') }}

{% for measure, entity, customer, instant in [
    ('referrals', 'referrals', 'referrer_customer_key as customer_key', 'referred_at'),
    ('tickets', 'support_tickets', 'customer_key', 'opened_at'),
] %}
select
    '{{ measure }}' as measure,
    events.{{ customer }},
    {{ business_date('events.' ~ instant) }} as happened_on,
    cast(1 as double) as amount
from {{ ref('int_' ~ entity ~ '_versioned') }} as events
where events.row_status = 'accepted'

union all
{% endfor %}
select
    'revenue' as measure,
    money.customer_key,
    {{ business_date('money.moved_at') }} as happened_on,
    money.revenue as amount
from {{ ref('int_customer_money_moved') }} as money
where money.revenue <> 0

union all

select
    'usage' as measure,
    customer_key,
    used_on as happened_on,
    quantity as amount
from {{ ref('int_product_usage_versioned') }}
where row_status = 'accepted'
