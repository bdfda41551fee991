-- Instants are compared first and dated last: one conversion a source instead of one an event.
{% for measure, entity, instant in [
    ('revenue', 'invoices', 'invoiced_at'),
    ('referrals', 'referrals', 'referred_at'),
    ('tickets', 'support_tickets', 'opened_at'),
] %}
select
    '{{ measure }}' as measure,
    customer_source,
    {{ business_date('min(' ~ instant ~ ')') }} as first_on,
    {{ business_date('max(' ~ instant ~ ')') }} as last_on
from {{ ref('int_' ~ entity ~ '_versioned') }}
where row_status = 'accepted'
group by customer_source

union all
{% endfor %}
select
    'usage' as measure,
    customer_source,
    min(used_on) as first_on,
    max(used_on) as last_on
from {{ ref('int_product_usage_versioned') }}
where row_status = 'accepted'
group by customer_source
