with bounds as (
    select
        min(as_of_on) as first_on,
        max(as_of_on) as last_on
    from {{ ref('int_days_listed') }}
),

-- a stay that starts before the first day is counted from the first day on
stays as (
    select
        {{ segment_list('dated.') }}
        bounds.last_on,
        greatest(bounds.first_on, coalesce(dated.starts_on, bounds.first_on)) as enters_on,
        dated.ends_on as leaves_on
    from {{ ref('int_customer_stays_dated') }} as dated
    cross join bounds
),

moves as (
    select
        {{ segment_list() }}
        enters_on as moved_on,
        1 as change
    from stays
    where enters_on <= last_on and (leaves_on is null or enters_on < leaves_on)

    union all

    select
        {{ segment_list() }}
        leaves_on as moved_on,
        -1 as change
    from stays
    where leaves_on <= last_on and enters_on < leaves_on
),

changes as (
    {%- for column, published_name in segment_columns().items() %}
    select
        '{{ published_name }}' as dimension,
        coalesce({{ column }}, '(unknown)') as segment,
        moved_on,
        cast(sum(change) as bigint) as change
    from moves
    group by coalesce({{ column }}, '(unknown)'), moved_on
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- else %}
    -- without segments there is nothing to weight by
    select
        cast(null as {{ dbt.type_string() }}) as dimension,
        cast(null as {{ dbt.type_string() }}) as segment,
        moved_on,
        cast(change as bigint) as change
    from moves
    where 1 = 0
    {%- endfor %}
)

select * from changes
