{%- set ids = [
    ('survey_responses', 'customer_id', 'customer_key'),
    ('survey_invitations', 'customer_id', 'customer_key'),
    ('subscriptions', 'customer_id', 'customer_key'),
    ('mrr_movements', 'customer_id', 'customer_key'),
    ('invoices', 'customer_id', 'customer_key'),
    ('support_tickets', 'customer_id', 'customer_key'),
    ('product_usage', 'customer_id', 'customer_key'),
    ('referrals', 'referrer_customer_id', 'referrer_customer_key'),
    ('survey_responses', 'email', 'email_key'),
    ('survey_invitations', 'email', 'email_key'),
] -%}

with mapped as (
    select * from {{ source('raw', 'mapped_columns') }}
),

-- an address is looked for among the customers of all sources
crm as (
    select distinct customer_source from mapped
    where entity = 'customers'
),

addressed as (
    select count(*) as sources from mapped
    where entity = 'customers' and column_name = 'email'
),

counted as (
    {%- for entity, column, key in ids %}
    select
        delivered.source,
        '{{ entity }}' as entity,
        '{{ column }}' as column_name,
        count(*) as ids_delivered,
        count(known.{{ 'email_key' if column == 'email' else 'customer_key' }}) as ids_known
    from (
        select distinct
            source,
            {{ key }}
        from {{ ref('int_' ~ entity ~ '_versioned') }}
        where row_status = 'accepted' and {{ key }} is not null
    ) as delivered
    {%- if column == 'email' %}
    left join {{ ref('int_customer_emails_resolved') }} as known on delivered.email_key = known.email_key
    {%- else %}
    left join {{ ref('int_customers_known') }} as known on delivered.{{ key }} = known.customer_key
    {%- endif %}
    group by delivered.source
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
),

compared as (
    select
        mapped.source,
        mapped.entity,
        mapped.column_name,
        mapped.customer_source,
        mapped.min_match_rate,
        case when mapped.column_name = 'email' then addressed.sources > 0 else crm.customer_source is not null end as has_customers,
        coalesce(counted.ids_delivered, 0) as ids_delivered,
        coalesce(counted.ids_known, 0) as ids_known
    from mapped
    cross join addressed
    left join crm on mapped.customer_source = crm.customer_source
    left join counted
        on
            mapped.source = counted.source
            and mapped.entity = counted.entity
            and mapped.column_name = counted.column_name
    where
        {%- for entity, column, key in ids %}
        {{ 'or ' if not loop.first }}(mapped.entity = '{{ entity }}' and mapped.column_name = '{{ column }}')
        {%- endfor %}
)

select
    source,
    entity,
    column_name,
    customer_source,
    has_customers,
    cast(ids_delivered as bigint) as ids_delivered,
    case when has_customers then cast(ids_known as bigint) end as ids_known,
    case when has_customers then 1e0 * ids_known / nullif(ids_delivered, 0) end as match_rate,
    min_match_rate
from compared
