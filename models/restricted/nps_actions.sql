with cases as (
    select
        response_key,
        max(case when is_open then 1 else 0 end) = 1 as is_open,
        max(case when is_open and (first_contact_at is null or is_reopened) then 1 else 0 end) = 1 as is_waiting
    from {{ ref('int_follow_ups_dated') }}
    group by response_key
),

-- in peace, like who was asked; the case that is open is no reason to leave its customer alone
contacts as (
    select
        contacted.customer_key,
        max(contacted.first_contact_at) as contacted_at
    from {{ ref('int_follow_ups_dated') }} as contacted
    where contacted.first_contact_at is not null and not contacted.is_open
    group by contacted.customer_key
),

referrers as (
    select distinct referrer_customer_key as customer_key
    from {{ ref('int_referrals_versioned') }}
    where row_status = 'accepted'
),

-- how many of a class leave: as observed, else by the seed's rule; of several horizons the nearest
chances as (
    select
        risks.survey_type,
        risks.nps_class,
        risks.horizon_days,
        coalesce(risks.observed_rate, risks.assumed_rate) as chance_to_leave,
        row_number() over (partition by risks.survey_type, risks.nps_class order by risks.horizon_days asc nulls last, risks.figure asc nulls last) as _place
    from {{ ref('nps_revenue_at_risk') }} as risks
    inner join {{ ref('revenue_at_risk_rates') }} as rates on risks.figure = rates.figure and rates.evidence = 'churn'
    where risks.metric = 'nps' and risks.dimension = 'all'
),

suiting as (
    select
        answers.*,
        actions.action,
        actions.position,
        actions.description,
        row_number() over (partition by answers.customer_key order by actions.position asc nulls last, actions.action asc nulls last) as _choice
    from {{ ref('int_newest_answers_chosen') }} as answers
    inner join {{ ref('follow_up_actions') }} as actions on answers.nps_class = actions.nps_class and answers.score >= actions.min_score
    left join referrers on answers.customer_key = referrers.customer_key
    where
        (not actions.needs_account or answers.account_key is not null)
        and (not actions.needs_no_referral or referrers.customer_key is null)
),

listed as (
    select
        suiting.*,
        coalesce(cases.is_open, false) as has_open_case,
        case when lifecycles.has_mrr_information then round(coalesce(customer_values.mrr, 0), 6) end as mrr,
        coalesce(customer_values.mrr, 0) as known_mrr,
        chances.chance_to_leave,
        chances.horizon_days,
        {{ dbt.datediff('suiting.responded_at', 'workspace.as_of_at', 'second') }} / 3600e0 as hours_since_answer,
        cast({{ dbt.datediff('suiting.responded_on', 'workspace.as_of_on', 'day') }} as int) as days_waiting,
        case
            when suiting.contact_due_at is null then 'no_target'
            when suiting.contact_due_at < workspace.as_of_at then 'overdue'
            else 'in_time'
        end as sla_state,
        workspace.currency
    from suiting
    cross join {{ source('raw', 'workspace') }} as workspace
    left join {{ ref('int_customer_lifecycles_dated') }} as lifecycles on suiting.customer_key = lifecycles.customer_key
    left join {{ ref('int_customer_values_summed') }} as customer_values on suiting.customer_key = customer_values.customer_key
    left join {{ ref('int_customers_held_out') }} as held_out on suiting.customer_key = held_out.customer_key
    left join {{ ref('survey_fatigue') }} as fatigue on suiting.customer_key = fatigue.customer_key
    left join cases on suiting.response_key = cases.response_key
    left join contacts on suiting.customer_key = contacts.customer_key
    left join chances on suiting.survey_type = chances.survey_type and suiting.nps_class = chances.nps_class and chances._place = 1
    where
        suiting._choice = 1
        and held_out.customer_key is null
        and coalesce(cases.is_waiting, true)
        and (lifecycles.churned_at is null or lifecycles.churned_at >= workspace.as_of_at)
        and not coalesce(lifecycles.is_churned, false)
        and fatigue.opted_out_on is null
        -- the invitation that brought the answer is no reason not to answer it; a later one is
        and (fatigue.quarantined_until is null or fatigue.quarantined_until <= workspace.as_of_on or fatigue.last_asked_on <= suiting.responded_on)
        and (contacts.contacted_at is null or {{ days_after(business_date('contacts.contacted_at'), 'cast(workspace.quarantine_days as int)') }} <= workspace.as_of_on)
)

select
    cast({{ dbt.hash("cast(listed.response_key as " ~ dbt.type_string() ~ ") || '|' || listed.action") }} as {{ var('key_type') }}) as action_key,
    listed.action,
    listed.response_key,
    listed.customer_key,
    identities.customer_id,
    identities.name,
    identities.email,
    listed.survey_type,
    listed.nps_class,
    listed.score,
    listed.responded_at,
    listed.days_waiting,
    listed.hours_since_answer,
    listed.contact_due_at,
    listed.sla_state,
    listed.has_open_case,
    listed.mrr,
    listed.chance_to_leave,
    round(listed.mrr * listed.chance_to_leave, 6) as mrr_at_risk,
    row_number() over (
        order by
            listed.position asc nulls last, round(listed.known_mrr * coalesce(listed.chance_to_leave, 1e0), 6) desc nulls last,
            listed.responded_at asc nulls last, listed.response_key asc nulls last
    ) as call_rank,
    'scored ' || listed.score || case when listed.has_comment then ' with a comment' else ' without a comment' end || ' on ' || cast(listed.responded_on as {{ dbt.type_string() }})
    || case when listed.sla_state = 'overdue' then ' and not contacted in time' else '' end
    || coalesce(', pays ' || cast(round(listed.mrr) as bigint) || ' ' || listed.currency || ' a month', '')
    || coalesce(', ' || cast(round(100 * listed.chance_to_leave) as bigint) || ' % of such customers leave within ' || listed.horizon_days || ' days', '')
    || ': ' || listed.description as reason
from listed
left join {{ ref('customer_identities') }} as identities on listed.customer_key = identities.customer_key
