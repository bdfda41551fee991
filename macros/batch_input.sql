{#- The files of an entity that came since the last build, by their SHA-256, as a list of SQL
    literals: a filter on literals lets the engine leave other files unread. -#}
{% macro new_files(entity) -%}
    {%- set query -%}
        select distinct files.file_sha256
        from {{ of_lake('files') }} as files
        left join {{ of_lake('built_files') }} as built
            on
                files.source = built.source
                and files.entity = built.entity
                and files.file_sha256 = built.file_sha256
        where files.entity = '{{ entity }}' and files.status = 'loaded' and built.file_sha256 is null
        order by files.file_sha256
    {%- endset -%}
    {%- set found = [] -%}
    {%- for sha256 in first_column(query) -%}
        {%- do found.append("'" ~ sha256 ~ "'") -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}

{#- The CTE `delivered`: the rows that staging reads in this batch: those of new files, and those that
    were dated after as_of when they were last read. judged is the table with the status of older
    rows, columns what it keeps of a row, reason its column with staging's reject reason. -#}
{% macro delivered_rows(staged, entity, judged, columns, reason='reject_reason') -%}
{%- set new = new_files(entity) -%}
{#- a filter on literals lets the engine leave other files unread -#}
{%- set waiting = first_column('select distinct file_sha256 from ' ~ judged ~ ' where ' ~ reason ~ " = 'future' order by 1") -%}
delivered as (
    select
        {%- for column in columns %}
        {{ 'cast(row_hash as ' ~ var('key_type') ~ ') as row_hash' if column == 'row_hash' else column }},
        {%- endfor %}
        reject_reason
    from {{ staged }}
    where
        {{ 'file_sha256 in (' ~ new | join(', ') ~ ')' if new else 'false' }}
        {%- if waiting %}
        or (
            file_sha256 in ('{{ waiting | join("', '") }}')
            and (source, file_sha256, row_number, cast(row_hash as {{ var('key_type') }})) in (
                select source, file_sha256, row_number, row_hash from {{ judged }}
                where {{ reason }} = 'future'
            )
        )
        {%- endif %}
)
{%- endmacro %}
