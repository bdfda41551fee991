{% if is_batch() -%}
select
    known.invitation_key,
    known.customer_key
from {{ previous('int_invitations_identified') }} as known
inner join {{ ref('int_invitations_touched') }} as touched on known.invitation_key = touched.invitation_key
{%- else -%}
-- depends_on: {{ ref('int_invitations_touched') }}
select
    cast(null as {{ dbt.type_string() }}) as invitation_key,
    cast(null as {{ dbt.type_string() }}) as customer_key
where false
{%- endif %}
