{% if is_batch() -%}
with delivered as (
    select
        customer_key,
        min(snapshot_at) as first_at,
        min(source || row_status || row_hash) as lowest,
        max(source || row_status || row_hash) as highest
    from {{ ref('int_customers_versioned') }}
    where batch = {{ this_batch() }} and customer_key is not null
    group by customer_key
),

before as (
    select
        snapshots.customer_key,
        snapshots.snapshot_at,
        snapshots.source || snapshots.row_status || snapshots.row_hash as content,
        row_number() over (
            partition by snapshots.customer_key
            order by snapshots.snapshot_at desc, snapshots.source asc, snapshots.row_hash asc
        ) as age
    from {{ ref('int_customers_versioned') }} as snapshots
    inner join delivered on snapshots.customer_key = delivered.customer_key
    where snapshots.batch < {{ this_batch() }} and snapshots.row_status in ('accepted', 'deleted')
)

-- a CRM that sends everybody every day says of most what it said before
select delivered.customer_key
from delivered
left join before on delivered.customer_key = before.customer_key and before.age = 1
where
    before.customer_key is null
    or delivered.lowest <> before.content
    or delivered.highest <> before.content
    or delivered.first_at <= before.snapshot_at
{%- else -%}
-- depends_on: {{ ref('int_customers_versioned') }}
select cast(null as {{ dbt.type_string() }}) as customer_key
where false
{%- endif %}
