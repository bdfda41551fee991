{%- set attributes = first_column('select attribute from ' ~ source('raw', 'lead_attributes') ~ ' order by attribute') -%}

{%- for attribute in attributes %}
select
    lead_key,
    '{{ attribute }}' as attribute,
    nullif({{ json_member('attributes', attribute) }}, '') as known_value
from {{ ref('int_leads_versioned') }}
where row_status = 'accepted'

union all
{% endfor %}
select
    lead_key,
    cast(null as {{ dbt.type_string() }}) as attribute,
    cast(null as {{ dbt.type_string() }}) as known_value
from {{ ref('int_leads_versioned') }}
where false
