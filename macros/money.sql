{#- What customers had paid, and what they paid monthly, at some moments: the CTE `money_before`, one
    row a moment with the given columns, revenue_before and mrr_before. Reads the CTE money (the
    columns of int_customer_money_moved) and the moments' customer_key and happened_at. One running
    sum over both is cheaper than joining each moment with every invoice. Money of the very moment is
    included. NULL: too large for an exact sum. -#}
{% macro money_before(moments, columns) -%}
line_of_time as (
    select
        customer_key,
        happened_at,
        1 as is_moment,
        cast(0 as double) as revenue,
        cast(0 as double) as mrr_change
        {%- for column in columns %},
        {{ column }}
        {%- endfor %}
    from {{ moments }}

    union all

    select
        customer_key,
        moved_at as happened_at,
        0 as is_moment,
        revenue,
        mrr_change
        {%- for column in columns %},
        null as {{ column }}
        {%- endfor %}
    from money
),

running as (
    select
        is_moment
        {%- for column in columns %},
        {{ column }}
        {%- endfor %},
        {{ exact_sum('revenue', 'over so_far') }} as revenue_before,
        {{ exact_sum('mrr_change', 'over so_far') }} as mrr_before
    from line_of_time
    window so_far as (
        partition by customer_key
        order by happened_at, is_moment
        rows between unbounded preceding and current row
    )
),

money_before as (
    select * from running
    where is_moment = 1
)
{%- endmacro %}
