with snapshots as (
    select
        employee_key,
        snapshot_at,
        max(department) as department
    from {{ ref('int_employees_versioned') }}
    where row_status in ('accepted', 'superseded')
    group by employee_key, snapshot_at
)

-- the first snapshot is valid from the beginning, the last one for good
select
    employee_key,
    case
        when lag(snapshot_at) over in_order is null then cast('1900-01-01' as timestamp)
        else snapshot_at
    end as valid_from,
    coalesce(lead(snapshot_at) over in_order, cast('9999-12-31' as timestamp)) as valid_to,
    coalesce(department, '(unknown)') as department
from snapshots
window in_order as (partition by employee_key order by snapshot_at nulls last)
