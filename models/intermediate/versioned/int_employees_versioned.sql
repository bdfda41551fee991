{%- set columns = [
    'employee_key', 'employee_id', 'email_key', 'manager_id', 'department', 'attributes',
    'hired_at', 'left_at',
] -%}

with {{ judge_versions(ref('stg_employees'), columns, key=['employee_key'], version='snapshot_at', entity='employees') }}

select * from judged
