{% if is_batch() -%}
{%- set identified = previous('int_responses_identified') -%}

-- one scan for each reason: each reads one column, and of the batch's rows little of that
with touched as (
    select response_key from {{ ref('int_survey_responses_versioned') }}
    where batch = {{ this_batch() }} and response_key is not null
    union
    select response_key from {{ ref('int_survey_responses_versioned') }}
    where row_status = 'accepted' {{ and_touched('customer_key', 'int_customers_changed') }}
    union
    select response_key from {{ ref('int_survey_responses_versioned') }}
    where row_status = 'accepted' {{ and_touched('email_key', 'int_addresses_touched') }}
    union
    select response_key from {{ identified }}
    where true {{ and_touched('customer_key', 'int_customers_changed') }}
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
