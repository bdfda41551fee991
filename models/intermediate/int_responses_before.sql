{% if is_batch() -%}
select known.*
from {{ previous('int_responses_identified') }} as known
inner join {{ ref('int_responses_touched') }} as touched on known.response_key = touched.response_key
{%- else -%}
-- depends_on: {{ ref('int_responses_touched') }}
select
    cast(null as {{ dbt.type_string() }}) as response_key,
    cast(null as {{ dbt.type_string() }}) as customer_key
where false
{%- endif %}
