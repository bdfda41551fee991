with last_build as (
    select as_of_at from {{ source('raw', 'last_build') }}
),

-- what an affected answer or invitation named in any of its versions: whose it was, and whose it is
named as (
    select
        customer_key,
        email_key
    from {{ ref('int_survey_responses_versioned') }}
    where {{ is_affected('response_key', 'int_responses_affected') }}

    union all

    select
        customer_key,
        email_key
    from {{ ref('int_survey_invitations_versioned') }}
    where {{ is_affected('invitation_key', 'int_invitations_affected') }}
),

-- a second snapshot dates what a status says of all customers of its source
followed as (
    select customer_source
    from {{ ref('int_customers_versioned') }}
    where {{ is_batch() | lower }} and row_status = 'accepted' and is_churned is not null
    group by customer_source
    having
        min(snapshot_at) < max(snapshot_at)
        and coalesce(
            min(case when batch < {{ this_batch() }} then snapshot_at end)
            >= max(case when batch < {{ this_batch() }} then snapshot_at end),
            true
        )
),

affected as (
    select customer_key from {{ ref('int_customers_changed') }}
    union
    {%- for entity in ['subscriptions', 'invoices', 'support_tickets', 'product_usage'] %}
    select customer_key from {{ ref('int_' ~ entity ~ '_versioned') }}
    where batch = {{ this_batch() }}
    union
    {%- endfor %}
    select customer_key from named
    union
    -- an address identifies customers who hold it or ever held it
    select customer_key from {{ ref('int_customers_versioned') }}
    where email_key in (select named.email_key from named)
    union
    select customer_key from {{ ref('int_customers_known') }}
    where customer_source in (select followed.customer_source from followed)
    union
    -- what was after the previous as_of has happened since
    select customer_key from {{ ref('int_customers_known') }}
    where
        churned_at >= (select last_build.as_of_at from last_build)
        or signed_up_at >= (select last_build.as_of_at from last_build)
    union
    select customer_key from {{ ref('int_subscriptions_versioned') }}
    where
        started_at >= (select last_build.as_of_at from last_build)
        or ended_at >= (select last_build.as_of_at from last_build)
)

select customer_key from affected
where {{ is_batch() | lower }} and customer_key is not null
