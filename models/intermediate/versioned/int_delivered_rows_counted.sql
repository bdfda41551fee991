{{ config(materialized='view') }}

{% for entity in var('entities') %}
select
    source,
    '{{ entity }}' as entity,
    file_sha256
    {%- for status in ['accepted', 'quarantined', 'duplicate', 'superseded', 'deleted', 'excluded'] %},
    sum(case when row_status = '{{ status }}' then 1 else 0 end) as rows_{{ status }}
    {%- endfor %}
from {{ ref('int_' ~ entity ~ '_versioned') }}
group by source, file_sha256
{%- if not loop.last %}

union all
{% endif %}
{%- endfor %}
