-- Rows that ingest could not read, and rows that staging refused, with what was delivered.
{% for entity in var('entities') %}
{%- set canonical = graph.sources['source.' ~ model.package_name ~ '.raw.' ~ entity].columns if execute else {} %}
{#- What was delivered, and nothing that ingest added, such as its time: equal deliveries, equal tables. -#}
{%- set delivered = [] %}
{%- for column in canonical if not column.startswith('_') or column in ['_attributes', '_extra'] %}{% do delivered.append(column) %}{% endfor %}
select
    refused.source,
    '{{ entity }}' as entity,
    raw._file_sha256 as file_sha256,
    raw._file_name as file_name,
    raw._row_number as row_number,
    refused.reject_reason as reason,
    {{ row_as_json(delivered or ['_extra'], 'raw.') }} as raw_text
from {{ source('raw', entity) }} as raw
inner join {{ ref('int_' ~ entity ~ '_versioned') }} as refused
    on
        raw._source = refused.source
        and raw._file_sha256 = refused.file_sha256
        and raw._row_number = refused.row_number
        -- a row may hold several answers, of different hashes; the few are written as the many are
        and raw._row_hash = {{ dbt.replace('cast(refused.row_hash as ' ~ dbt.type_string() ~ ')', "'-'", "''") }}
where refused.row_status = 'quarantined'

union all
{% endfor %}
select
    _source as source,
    _entity as entity,
    _file_sha256 as file_sha256,
    _file_name as file_name,
    _row_number as row_number,
    reason,
    raw_text
from {{ source('raw', 'rejected_rows') }}
