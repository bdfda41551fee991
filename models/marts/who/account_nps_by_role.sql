with ranked as (
    select
        *,
        row_number() over (
            partition by account_key, metric, survey_type, role
            order by responded_at desc nulls last, score asc nulls last
        ) as age
    from {{ ref('int_account_answers_followed') }}
    -- each contact by its latest answer
    where next_on is null
)

select
    ranked.account_key,
    ranked.metric,
    ranked.survey_type,
    ranked.role,
    coalesce(roles.decides, false) as decides,
    count(*) as responses,
    avg(ranked.contribution) as nps,
    max(case when ranked.age = 1 then ranked.responded_on end) as last_responded_on,
    max(case when ranked.age = 1 then ranked.score end) as last_score,
    max(case when ranked.age = 1 then ranked.nps_class end) as last_nps_class
from ranked
left join {{ ref('account_roles') }} as roles on ranked.role = roles.role
group by ranked.account_key, ranked.metric, ranked.survey_type, ranked.role, roles.decides
