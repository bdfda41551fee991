with delivered as (
    select
        customer_key,
        min(snapshot_at) as first_at,
        min(source || row_status || row_hash) as lowest,
        max(source || row_status || row_hash) as highest
    from {{ ref('int_customers_versioned') }}
    where {{ is_batch() | lower }} and batch = {{ this_batch() }} and customer_key is not null
    group by customer_key
),

earlier as (
    select
        snapshots.customer_key,
        snapshots.snapshot_at,
        snapshots.source || snapshots.row_status || snapshots.row_hash as content,
        row_number() over newest_first as age
    from {{ ref('int_customers_versioned') }} as snapshots
    inner join delivered on snapshots.customer_key = delivered.customer_key
    where snapshots.batch < {{ this_batch() }} and snapshots.row_status in ('accepted', 'deleted')
    window newest_first as (partition by snapshots.customer_key order by snapshots.snapshot_at desc nulls last, snapshots.source asc nulls last, snapshots.row_hash asc nulls last)
)

-- a CRM that exports every customer every day says of most what it said before
select delivered.customer_key
from delivered
left join earlier on delivered.customer_key = earlier.customer_key and earlier.age = 1
where
    earlier.customer_key is null
    or delivered.lowest <> earlier.content
    or delivered.highest <> earlier.content
    or delivered.first_at <= earlier.snapshot_at
