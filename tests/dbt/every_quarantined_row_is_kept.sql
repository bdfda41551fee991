-- Of every loaded file, as many quarantined rows are kept as its reconciliation counts. A file that
-- is quarantined as a whole was never cut into rows: the archive holds it.
with kept as (
    select
        source,
        entity,
        file_sha256,
        count(*) as quarantined
    from {{ ref('quarantined_rows') }}
    group by source, entity, file_sha256
)

select
    files.source,
    files.entity,
    files.file_sha256,
    files.rows_quarantined,
    kept.quarantined as rows_kept
from {{ ref('ingest_reconciliation') }} as files
left join kept
    on
        files.source = kept.source
        and files.entity = kept.entity
        and files.file_sha256 = kept.file_sha256
where
    files.file_status = 'loaded'
    and files.rows_quarantined <> coalesce(kept.quarantined, 0)
