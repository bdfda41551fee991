with labels as (
    select
        response_key,
        theme,
        snapshot_at,
        max(snapshot_at) over (partition by response_key) as newest_at
    from {{ ref('int_labels_versioned') }}
    where row_status = 'accepted'
)

-- of a comment that was read again the newest reading counts
select distinct
    labels.response_key,
    labels.theme
from labels
inner join {{ ref('response_comments') }} as comments on labels.response_key = comments.response_key
where labels.snapshot_at = labels.newest_at
