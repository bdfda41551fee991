with invitations as (
    select
        asked_key,
        sent_on,
        opted_out_on,
        -- a bounced invitation does not count as asking, unless it was opened
        not coalesce(is_bounced, false) or coalesce(is_opened, false) as is_asked
    from {{ ref('int_invitations_identified') }}
    where asked_key is not null
),

workspace as (
    select
        as_of_on,
        quarantine_days
    from {{ source('raw', 'workspace') }}
),

asked as (
    select
        invitations.asked_key,
        max(case when invitations.is_asked then invitations.sent_on end) as last_asked_on,
        sum(case when invitations.is_asked then 1 else 0 end) as asks,
        sum(case
            when invitations.is_asked and invitations.sent_on > {{ days_after('workspace.as_of_on', -365) }} then 1
            else 0
        end) as asks_365d,
        -- a wish dated after as_of is not known yet
        min(case when invitations.opted_out_on <= workspace.as_of_on then invitations.opted_out_on end) as opted_out_on
    from invitations
    cross join workspace
    group by invitations.asked_key
),

known as (
    select
        customers.customer_key,
        workspace.as_of_on,
        customers.is_active,
        asked.last_asked_on,
        cast({{ dbt.datediff('asked.last_asked_on', 'workspace.as_of_on', 'day') }} as int) as days_since_last_asked,
        cast(coalesce(asked.asks_365d, 0) as bigint) as asks_365d,
        cast(coalesce(asked.asks, 0) as bigint) as asks,
        asked.opted_out_on,
        {{ days_after('asked.last_asked_on', 'cast(workspace.quarantine_days as int)') }} as quarantined_until
    from {{ ref('dim_customers') }} as customers
    -- a source that delivers no invitations does not say who was asked
    inner join {{ ref('int_customer_sources_described') }} as sources
        on customers.source = sources.customer_source and sources.has_invitations
    left join asked on customers.customer_key = asked.asked_key
    cross join workspace
),

final as (
    select
        customer_key,
        as_of_on,
        is_active,
        last_asked_on,
        days_since_last_asked,
        asks_365d,
        asks,
        opted_out_on,
        quarantined_until,
        opted_out_on is null
        and coalesce(is_active, true)
        and (quarantined_until is null or as_of_on >= quarantined_until) as may_be_asked
    from known
)

select * from final
