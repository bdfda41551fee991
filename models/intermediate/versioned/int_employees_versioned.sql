with {{ judge_versions(ref('stg_employees'), key=['employee_key'], version='snapshot_at', entity='employees') }}

select * from judged
