{% if is_batch() -%}
-- one scan for each reason: each reads one column, and of the batch's rows little of that
select response_key from {{ ref('int_survey_responses_versioned') }}
where batch = {{ this_batch() }} and response_key is not null
union
select response_key from {{ ref('int_survey_responses_versioned') }}
where row_status = 'accepted' {{ and_touched('customer_key', 'int_customers_changed') }}
union
select response_key from {{ ref('int_survey_responses_versioned') }}
where row_status = 'accepted' {{ and_touched('email_key', 'int_addresses_touched') }}
union
select response_key from {{ previous('int_responses_identified') }}
where true {{ and_touched('customer_key', 'int_customers_changed') }}
{%- else -%}
-- depends_on: {{ ref('int_survey_responses_versioned') }}, {{ ref('int_customers_changed') }}, {{ ref('int_addresses_touched') }}
select cast(null as {{ dbt.type_string() }}) as response_key
where false
{%- endif %}
