with {{ judge_versions('int_employees_versioned', ref('stg_employees'), key=['employee_key'], version='snapshot_at', entity='employees') }}

select * from judged
