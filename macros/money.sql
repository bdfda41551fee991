{#- What customers had paid, and what they paid monthly, at some moments: the CTE `money_before`, one
    row a moment with the given columns and, of the given amounts (revenue, mrr_change), the sum up to
    and including that moment, as <amount>_before; NULL: too large for an exact sum. Reads the CTE
    money, with the columns of int_customer_money_moved, and customer_key and happened_at of the
    moments. One running sum over both is cheaper than a join of each moment with every invoice. -#}
{% macro money_before(moments, columns, amounts) -%}
line_of_time as (
    select
        customer_key,
        happened_at,
        1 as is_moment
        {%- for amount in amounts %},
        cast(0 as double) as {{ amount }}
        {%- endfor %}
        {%- for column in columns %},
        {{ column }}
        {%- endfor %}
    from {{ moments }}

    union all

    select
        customer_key,
        moved_at as happened_at,
        0 as is_moment
        {%- for amount in amounts %},
        {{ amount }}
        {%- endfor %}
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
        {%- endfor %}
        {%- for amount in amounts %},
        {{ exact_sum(amount, 'over so_far') }} as {{ amount }}_before
        {%- endfor %}
    from line_of_time
    window so_far as (
        partition by customer_key
        order by happened_at nulls last, is_moment nulls last
        rows between unbounded preceding and current row
    )
),

money_before as (
    select * from running
    where is_moment = 1
)
{%- endmacro %}
