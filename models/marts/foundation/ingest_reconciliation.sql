with files as (
    select * from {{ source('raw', 'files') }}
),

rows_judged as (
    {%- for entity in entities() %}
    select
        source,
        '{{ entity }}' as entity,
        file_sha256,
        row_status
    from {{ ref('int_' ~ entity ~ '_versioned') }}
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
),

judged as (
    select
        source,
        entity,
        file_sha256,
        {%- for status in ['accepted', 'quarantined', 'duplicate', 'superseded', 'deleted'] %}
        sum(case when row_status = '{{ status }}' then 1 else 0 end) as rows_{{ status }}{{ ',' if not loop.last }}
        {%- endfor %}
    from rows_judged
    group by source, entity, file_sha256
),

final as (
    select
        files.source,
        files.entity,
        files.file_sha256,
        files.file_name,
        files.status as file_status,
        files.reason as file_reason,
        files.rows_delivered,
        cast(coalesce(judged.rows_accepted, 0) as bigint) as rows_accepted,
        -- rows that ingest could not read never reach a model
        cast(coalesce(judged.rows_quarantined, 0) + files.rows_rejected as bigint) as rows_quarantined,
        cast(coalesce(judged.rows_duplicate, 0) as bigint) as rows_duplicate,
        cast(coalesce(judged.rows_superseded, 0) as bigint) as rows_superseded,
        cast(coalesce(judged.rows_deleted, 0) as bigint) as rows_deleted
    from files
    left join judged
        on
            files.source = judged.source
            and files.entity = judged.entity
            and files.file_sha256 = judged.file_sha256
)

select * from final
