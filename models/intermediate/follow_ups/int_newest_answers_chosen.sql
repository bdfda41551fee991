with newest as (
    select
        responses.*,
        row_number() over (
            partition by responses.customer_key
            order by {{ latest_first('responses') }}
        ) as _place
    from {{ ref('fct_nps_responses') }} as responses
    where responses.customer_key is not null and responses.metric = 'nps'
)

select
    newest.response_key,
    newest.customer_key,
    newest.account_key,
    newest.survey_type,
    newest.nps_class,
    newest.score,
    newest.has_comment,
    newest.responded_at,
    newest.responded_on,
    {{ dbt.dateadd('hour', 'coalesce(of_tier.hours_to_first_contact, of_any.hours_to_first_contact)', 'newest.responded_at') }} as contact_due_at
from newest
cross join {{ source('raw', 'workspace') }} as workspace
left join {{ ref('int_accounts_versioned') }} as accounts on newest.account_key = accounts.account_key and accounts.row_status = 'accepted'
left join {{ ref('follow_up_targets') }} as of_tier on newest.nps_class = of_tier.nps_class and lower(trim(accounts.tier)) = of_tier.account_tier
left join {{ ref('follow_up_targets') }} as of_any on newest.nps_class = of_any.nps_class and of_any.account_tier = '(any)'
where
    newest._place = 1
    and newest.responded_on > {{ days_after('workspace.as_of_on', '-cast(' ~ assumption('action_days') ~ ' as int)') }}
