{%- set weights = {'customers': 'responses', 'accounts': '1', 'revenue': 'arr'} -%}
{%- set period = ['time_grain', 'period_start', 'period_end', 'metric', 'survey_type'] -%}

with voices as (
    select
        averaged.*,
        averaged.promoters + averaged.passives + averaged.detractors as responses,
        averaged.voice / 100 as mark,
        accounts.arr
    from {{ ref('int_account_periods_averaged') }} as averaged
    inner join {{ ref('int_accounts_described') }} as accounts on averaged.account_key = accounts.account_key
),

periods as (
    select distinct {{ period | join(', ') }}
    from voices
),

-- who was a customer in the period, and whoever answered in it
bases as (
    select
        {%- for column in period %}
        periods.{{ column }},
        {%- endfor %}
        count(*) as known_accounts,
        count(voices.voice) as answered_accounts,
        {{ exact_sum('accounts.arr') }} as known_arr,
        {{ exact_sum('voices.arr') }} as answered_arr
    from periods
    cross join {{ ref('int_accounts_described') }} as accounts
    left join voices
        on
            accounts.account_key = voices.account_key
            {%- for column in period %}
            and periods.{{ column }} = voices.{{ column }}
            {%- endfor %}
    where
        voices.account_key is not null
        or (accounts.since_on <= periods.period_end and accounts.left_on >= periods.period_start)
    group by periods.{{ period | join(', periods.') }}
),

-- relative to the largest weight, so that exact sums have room for many digits
weighed as (
    {%- for basis, weight in weights.items() %}
    select
        *,
        '{{ basis }}' as basis,
        1e0 * {{ weight }} / max({{ weight }}) over (partition by {{ period | join(', ') }}) as weight
    from voices
    where {{ weight }} > 0
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
),

summed as (
    select
        {{ period | join(', ') }},
        basis,
        count(*) as accounts,
        {%- for class in ['promoters', 'passives', 'detractors'] %}
        cast(sum({{ class }}) as bigint) as {{ class }},
        {%- endfor %}
        min(voice) < max(voice) as is_varied,
        {{ exact_sum('weight', type='decimal(38, 18)') }} as weights,
        {{ exact_sum('weight * weight', type='decimal(38, 18)') }} as squared_weights,
        {{ exact_sum('weight * mark', type='decimal(38, 18)') }} as marks,
        {{ exact_sum('weight * mark * mark', type='decimal(38, 18)') }} as squared_marks
    from weighed
    group by {{ period | join(', ') }}, basis
)

select
    summed.*,
    bases.known_accounts,
    bases.answered_accounts,
    bases.known_arr,
    bases.answered_arr
from summed
inner join bases
    on
        {%- for column in period %}
        {{ 'and ' if not loop.first }}summed.{{ column }} = bases.{{ column }}
        {%- endfor %}
