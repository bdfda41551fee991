select
    -- ids
    {{ surrogate_key('_customer_source', 'customer_id') }} as customer_key,
    customer_id,
    _email_key as email_key,
    account_id,
    {{ surrogate_key('_customer_source', 'account_id') }} as account_key,

    -- text and booleans
    _attributes as attributes,
    coalesce(deletions.deleted = 'yes', false) as is_deleted,
    states.deleted = 'yes' as is_churned,

    -- timestamps
    {{ try_cast('signed_up_at', 'timestamp') }} as signed_up_at,
    {{ try_cast('churned_at', 'timestamp') }} as churned_at,

    -- verdict
    case
        -- a deletion needs no more than its id: no rule excludes it
        when _flags like '%_row:excluded%' and coalesce(deletions.deleted, 'no') <> 'yes' then 'excluded'
        when customer_id is null then 'missing_id'
        when trim(is_deleted) <> '' and coalesce(deletions.deleted, 'unknown') = 'unknown' then 'bad_value'
        when trim(is_churned) <> '' and coalesce(states.deleted, 'unknown') = 'unknown' then 'bad_value'
        {{ timestamp_reasons('signed_up_at') }}
        {{ timestamp_reasons('churned_at') }}
        when _flags like '%_snapshot_at:bad_timestamp%' then 'bad_timestamp'
        -- a file's own modification time says nothing of the rows; a declared snapshot does
        when
            _snapshot_at >= (select as_of_at from {{ source('raw', 'workspace') }})
            and _source in (
                select source from {{ source('raw', 'mapped_columns') }}
                where entity = 'customers' and column_name = '_snapshot_at'
            )
            then 'future'
    end as reject_reason,

    -- provenance
    {{ provenance() }}
from {{ source('raw', 'customers') }} as raw
left join {{ ref('boolean_words') }} as deletions on lower(trim(raw.is_deleted)) = deletions.word
left join {{ ref('boolean_words') }} as states on lower(trim(raw.is_churned)) = states.word
