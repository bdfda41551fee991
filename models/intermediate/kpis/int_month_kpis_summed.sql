{{ config(materialized='view') }}
{%- set month = period_start('month', 'happened_on') %}

with happened as (
    select
        kpi,
        happened_on,
        amount
    from {{ ref('int_happenings_listed') }}

    union all

    select
        'churned_customers' as kpi,
        {{ business_date('churned_at') }} as happened_on,
        1e0 as amount
    from {{ ref('dim_customers') }}
    where churned_at is not null
)

select
    kpi,
    {{ month }} as period_start,
    {{ exact_sum('amount') }} as y
from happened
group by kpi, {{ month }}
