{% if is_batch() -%}
{%- set identified = previous('int_responses_identified') -%}

with answers as (
    select * from {{ ref('int_survey_responses_versioned') }}
),

touched as (
    select response_key from answers
    where batch = {{ this_batch() }} and response_key is not null
    union
    select response_key from answers
    where
        row_status = 'accepted'
        and (
            customer_key in (select changed.customer_key from {{ ref('int_customers_changed') }} as changed)
            or email_key in (select addresses.email_key from {{ ref('int_addresses_touched') }} as addresses)
        )
    union
    select response_key from {{ identified }}
    where customer_key in (select changed.customer_key from {{ ref('int_customers_changed') }} as changed)
)

select
    touched.response_key,
    identified.* {{ except_columns(['response_key']) }}
from touched
left join {{ identified }} as identified on touched.response_key = identified.response_key
{%- else -%}
-- depends_on: {{ ref('int_survey_responses_versioned') }}, {{ ref('int_customers_changed') }}, {{ ref('int_addresses_touched') }}
select
    cast(null as {{ dbt.type_string() }}) as response_key,
    cast(null as {{ dbt.type_string() }}) as customer_key
where false
{%- endif %}
