-- A customer's history begins at the beginning, each part ends where the next begins, the last is open.
with parts as (
    select
        customer_key,
        valid_from,
        valid_to,
        lag(valid_to) over (partition by customer_key order by valid_from) as ended_at,
        lead(valid_from) over (partition by customer_key order by valid_from) as next_from
    from {{ get_where_subquery(ref('dim_customer_history')) }}
)

select *
from parts
where
    valid_to is distinct from next_from
    or valid_from <> coalesce(ended_at, cast('1900-01-01' as timestamp))
