with answers as (
    select
        responses.*,
        row_number() over (
            partition by responses.customer_key, responses.survey_type, responses.nps_class
            order by responses.responded_at asc nulls last, responses.response_key asc nulls last
        ) as _place
    from {{ ref('fct_nps_responses') }} as responses
    cross join {{ source('raw', 'workspace') }} as workspace
    where
        responses.customer_key is not null
        and responses.metric = 'nps'
        and responses.contribution < 100
        and responses.responded_on >= coalesce(workspace.holdout_since, responses.responded_on)
        and workspace.holdout_share > 0
),

followed as (
    select
        answers.metric,
        answers.survey_type,
        answers.nps_class,
        held_out.customer_key is not null as is_held_out,
        contacts.response_key is not null as is_contacted,
        case when transitions.days_between <= {{ assumption('recovery_days') }} then transitions.to_contribution end as next_contribution,
        transitions.days_between <= {{ assumption('recovery_days') }} and transitions.to_contribution > answers.contribution as is_recovered,
        churn.was_active_at_answer and {{ days_after('answers.responded_on', 'cast(' ~ assumption('effect_days') ~ ' as int)') }} <= workspace.as_of_on as is_observed,
        coalesce(churn.days_to_churn > {{ assumption('effect_days') }}, true) as is_retained
    from answers
    cross join {{ source('raw', 'workspace') }} as workspace
    left join {{ ref('int_customers_held_out') }} as held_out on answers.customer_key = held_out.customer_key
    left join {{ ref('int_responses_contacted') }} as contacts on answers.response_key = contacts.response_key
    left join {{ ref('fct_nps_churn') }} as churn on answers.response_key = churn.response_key
    left join {{ ref('fct_nps_transitions') }} as transitions on answers.response_key = transitions.response_key
    where answers._place = 1
)

select
    metric,
    survey_type,
    nps_class
    {%- for arm, is_of in {'listed': 'not is_held_out', 'held_out': 'is_held_out'}.items() %}
    {%- for count, condition in {
        'customers': 'true', 'contacted': 'is_contacted', 'answered': 'next_contribution is not null', 'recovered': 'is_recovered',
        'promoters': 'next_contribution > 0', 'passives': 'next_contribution = 0', 'detractors': 'next_contribution < 0',
        'observed': 'is_observed', 'retained': 'is_observed and is_retained',
    }.items() %},
    cast(sum(case when {{ is_of }} and {{ condition }} then 1 else 0 end) as bigint) as {{ arm }}_{{ count }}
    {%- endfor %}
    {%- endfor %}
from followed
group by metric, survey_type, nps_class
