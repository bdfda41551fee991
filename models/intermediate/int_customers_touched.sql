{% if is_batch() -%}
with last_build as (
    select as_of_at from {{ source('raw', 'last_build') }}
),

touched as (
    select customer_key from {{ ref('int_customers_changed') }}
    union
    {%- for entity in ['subscriptions', 'invoices', 'support_tickets', 'product_usage', 'survey_responses'] %}
    select customer_key from {{ ref('int_' ~ entity ~ '_versioned') }}
    where batch = {{ this_batch() }}
    union
    {%- endfor %}
    -- whose an answer or an invitation was, and whose it is
    select customer_key from {{ ref('int_responses_before') }}
    union
    select customer_key from {{ ref('int_responses_identified') }}
    where response_key in (select touched.response_key from {{ ref('int_responses_touched') }} as touched)
    union
    select customer_key from {{ ref('int_invitations_before') }}
    union
    select customer_key from {{ ref('int_invitations_identified') }}
    where invitation_key in (select touched.invitation_key from {{ ref('int_invitations_touched') }} as touched)
    union
    -- what lay after as_of has come true meanwhile
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

select customer_key from touched
where customer_key is not null
{%- else -%}
{%- for model in ['int_customers_changed', 'int_customers_known', 'int_responses_touched', 'int_responses_before', 'int_responses_identified', 'int_invitations_touched', 'int_invitations_before', 'int_invitations_identified'] %}
-- depends_on: {{ ref(model) }}
{%- endfor %}
{%- for entity in ['subscriptions', 'invoices', 'support_tickets', 'product_usage', 'survey_responses'] %}
-- depends_on: {{ ref('int_' ~ entity ~ '_versioned') }}
{%- endfor %}
select cast(null as {{ dbt.type_string() }}) as customer_key
where false
{%- endif %}
