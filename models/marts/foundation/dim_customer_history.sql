{{ config(
    contract={'enforced': false},
    post_hook="{{ describe_segments('from valid_from until valid_to; NULL: unknown') }}",
) }}

select
    customer_key,
    {{ segment_list() }}
    valid_from,
    valid_to
from {{ ref('int_customer_history_built') }}
