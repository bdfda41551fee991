select
    files.source,
    files.entity,
    files.file_sha256,
    {{ public_text('files.file_name', 'files.file_sha256') }} as file_name,
    files.status as file_status,
    files.reason as file_reason,
    files.assumed_timezone,
    files.rows_delivered,
    cast(coalesce(counted.rows_accepted, 0) as bigint) as rows_accepted,
    -- rows that ingest could not read never reach a model
    cast(coalesce(counted.rows_quarantined, 0) + files.rows_rejected as bigint) as rows_quarantined,
    cast(coalesce(counted.rows_duplicate, 0) as bigint) as rows_duplicate,
    cast(coalesce(counted.rows_superseded, 0) as bigint) as rows_superseded,
    cast(coalesce(counted.rows_deleted, 0) as bigint) as rows_deleted,
    cast(coalesce(counted.rows_excluded, 0) as bigint) as rows_excluded
from {{ source('raw', 'files') }} as files
left join {{ ref('int_delivered_rows_counted') }} as counted
    on
        files.source = counted.source
        and files.entity = counted.entity
        and files.file_sha256 = counted.file_sha256
