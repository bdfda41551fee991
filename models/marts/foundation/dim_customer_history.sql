{{ config(
    materialized='incremental',
    incremental_strategy='replace',
    contract={'enforced': false},
    meta={'touched': "customer_key in (select customer_key from intermediate.int_customers_touched)"},
    post_hook="{{ describe_segments('from valid_from until valid_to; NULL: unknown') }}",
) }}

select
    customer_key,
    {{ segment_list() }}
    valid_from,
    valid_to
from {{ ref('int_customer_history_built') }}
where true {{ and_touched('customer_key', 'int_customers_touched') }}
