-- Every rate of every day that it holds. The newest rate of a currency holds for good: its only day is its
-- first, and it has no last one.
with rates as (
    select
        currency,
        rate,
        valid_from,
        lead(valid_from) over (partition by currency order by valid_from asc nulls last) as valid_until
    from {{ ref('int_exchange_rates_versioned') }}
    where row_status = 'accepted'
),

steps as (
    {{ dbt.generate_series(32768) }}
),

final as (
    select
        rates.currency,
        {{ days_after('rates.valid_from', 'steps.generated_number - 1') }} as valid_on,
        rates.rate,
        rates.valid_until is null as is_newest
    from rates
    inner join steps
        on
            steps.generated_number
            <= coalesce({{ dbt.datediff('rates.valid_from', 'rates.valid_until', 'day') }}, 1)
)

select * from final
