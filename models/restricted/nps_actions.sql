with responses as (
    select * from {{ ref('fct_nps_responses') }}
    where customer_key is not null and metric = 'nps'
),

newest as (
    select
        responses.*,
        row_number() over (
            partition by responses.customer_key
            order by {{ latest_first('responses') }}
        ) as _place
    from responses
),

cases as (
    select
        response_key,
        max(case when closed_at is null then 1 else 0 end) = 1 as is_open,
        min(first_contact_at) as first_contact_at
    from {{ ref('int_follow_ups_versioned') }}
    where row_status = 'accepted'
    group by response_key
),

-- recent detractors without a follow-up, highest value first
final as (
    select
        newest.response_key,
        newest.customer_key,
        identities.customer_id,
        identities.name,
        identities.email,
        newest.score,
        newest.responded_at,
        cast({{ dbt.datediff('newest.responded_on', 'workspace.as_of_on', 'day') }} as int) as days_waiting,
        coalesce(cases.is_open, false) as has_open_case,
        case when lifecycles.has_mrr_information then round(coalesce(customer_values.mrr, 0), 6) end as mrr,
        row_number() over (order by coalesce(customer_values.mrr, 0) desc nulls last, newest.responded_at asc nulls last, newest.response_key asc nulls last) as call_rank
    from newest
    cross join {{ source('raw', 'workspace') }} as workspace
    left join {{ ref('customer_identities') }} as identities on newest.customer_key = identities.customer_key
    left join {{ ref('int_customer_lifecycles_dated') }} as lifecycles on newest.customer_key = lifecycles.customer_key
    left join {{ ref('int_customer_values_summed') }} as customer_values on newest.customer_key = customer_values.customer_key
    left join cases on newest.response_key = cases.response_key
    where
        newest._place = 1
        and newest.nps_class = 'detractor'
        and newest.responded_on > {{ days_after('workspace.as_of_on', '-cast(' ~ assumption('action_days') ~ ' as int)') }}
        and cases.first_contact_at is null
        and (cases.is_open is null or cases.is_open)
        and (lifecycles.churned_at is null or lifecycles.churned_at >= workspace.as_of_at)
        and not coalesce(lifecycles.is_churned, false)
)

select * from final
