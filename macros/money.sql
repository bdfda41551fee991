{#- What customers had paid, and what they paid monthly, at some moments: the CTE `money_before`, one
    row a moment with the given columns and, of the given amounts (revenue, mrr_change), the sum up to
    and including that moment, as <amount>_before; NULL: too large for an exact sum. Reads the CTE
    money, with the columns of int_customer_money_moved, and customer_key and happened_at of the
    moments. One running sum over both is cheaper than a join of each moment with every invoice; amounts
    too large for it, which nobody has, are looked for apart, for a window over them costs as much. -#}
{% macro money_before(moments, columns, amounts) -%}
too_large as (
    select
        customer_key
        {%- for amount in amounts %},
        min(case when {{ amount }} is not null and {{ exact_number(amount) }} is null then moved_at end) as {{ amount }}_since
        {%- endfor %}
    from money
    where
        {%- for amount in amounts %}
        {{ 'or ' if not loop.first }}({{ amount }} is not null and {{ exact_number(amount) }} is null)
        {%- endfor %}
    group by customer_key
),

line_of_time as (
    select
        customer_key,
        happened_at,
        1 as is_moment
        {%- for amount in amounts %},
        {{ exact_number('0') }} as {{ amount }}_moved
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
        {{ exact_number(amount) }} as {{ amount }}_moved
        {%- endfor %}
        {%- for column in columns %},
        null as {{ column }}
        {%- endfor %}
    from money
),

running as (
    select
        customer_key,
        happened_at,
        is_moment
        {%- for column in columns %},
        {{ column }}
        {%- endfor %}
        {%- for amount in amounts %},
        sum({{ amount }}_moved) over so_far as {{ amount }}_so_far
        {%- endfor %}
    from line_of_time
    window so_far as (
        partition by customer_key
        order by happened_at nulls last, is_moment nulls last
        rows between unbounded preceding and current row
    )
),

money_before as (
    select
        {%- for column in columns %}
        running.{{ column }},
        {%- endfor %}
        {%- for amount in amounts %}
        case
            when too_large.{{ amount }}_since is null or too_large.{{ amount }}_since > running.happened_at
                then cast(running.{{ amount }}_so_far as double)
        end as {{ amount }}_before{{ ',' if not loop.last }}
        {%- endfor %}
    from running
    left join too_large on running.customer_key = too_large.customer_key
    where running.is_moment = 1
)
{%- endmacro %}

{#- Staged rows of money in the workspace's currency: the given columns, the amount, the reject reason and
    the provenance. An amount that names another currency is multiplied by the rate of its day, in the
    business zone; without a rate of that day or before, the row is refused. No currency named means the
    workspace's. The day is worked out of foreign amounts alone, and they find their rate by equality.

    staged: a staging relation; columns: what is kept beside; amount, moment: the columns of how much and when. -#}
{% macro converted_money(staged, columns, amount, moment) -%}
with amounts as (
    select
        staged.*,
        case
            when upper(trim(staged.currency)) <> upper(workspace.currency) then upper(trim(staged.currency))
        end as foreign_currency
    from {{ staged }} as staged
    cross join {{ source('raw', 'workspace') }} as workspace
),

dated as (
    select
        amounts.*,
        case when amounts.foreign_currency is not null then {{ business_date('amounts.' ~ moment) }} end as moved_on
    from amounts
),

newest as (
    select * from {{ ref('int_exchange_rates_dated') }}
    where is_newest
),

rated as (
    select
        dated.*,
        case when dated.foreign_currency is null then 1e0 else coalesce(on_day.rate, newest.rate) end as rate
    from dated
    left join {{ ref('int_exchange_rates_dated') }} as on_day
        on dated.foreign_currency = on_day.currency and dated.moved_on = on_day.valid_on
    left join newest
        on dated.foreign_currency = newest.currency and dated.moved_on >= newest.valid_on
)

select
    {%- for column in columns %}
    rated.{{ column }},
    {%- endfor %}
    rated.{{ amount }} * rated.rate as {{ amount }},
    case
        when rated.reject_reason is not null then rated.reject_reason
        when rated.rate is null then 'unknown_currency'
    end as reject_reason
    {%- for column in var('provenance_columns') %},
    rated.{{ column }}
    {%- endfor %}
from rated
{%- endmacro %}
