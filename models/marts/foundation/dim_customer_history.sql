{{ config(
    materialized='incremental',
    incremental_strategy='replace',
    contract={'enforced': false},
    meta={'changed': {'key': 'customer_key', 'model': 'int_customers_affected'}},
    post_hook="{{ describe_segments('from valid_from until valid_to; NULL: unknown') }}",
) }}

select
    customer_key,
    {{ segment_list(to_mart=true) }}
    valid_from,
    valid_to
from {{ ref('int_customer_history_built') }}
where {{ is_affected('customer_key', 'int_customers_affected') }}
