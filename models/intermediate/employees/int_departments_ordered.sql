{%- set by_size = 'partition by metric, survey_type, period_start order by voices asc nulls last, department asc nulls last' -%}

-- from the smallest department upwards, what it and all smaller ones hold together
select
    *,
    row_number() over by_size as place,
    lead(voices) over by_size as next_voices,
    sum(case when voices > 0 then 1 else 0 end) over so_far as departments_so_far,
    sum(voices) over so_far as voices_so_far,
    greatest(sum(promoters) over so_far, sum(passives) over so_far, sum(detractors) over so_far) as largest_class
from {{ ref('int_departments_counted') }}
window
    by_size as ({{ by_size }}),
    so_far as ({{ by_size }} rows between unbounded preceding and current row)
