with answers as (
    select * from {{ ref('fct_nps_responses') }}
    where customer_key is not null
),

-- only a metric with a passive class has a class to compare with; employees buy nothing
metrics as (
    select distinct metrics.metric
    from {{ ref('metrics') }} as metrics
    inner join {{ ref('metric_scales') }} as metric_scales on metrics.metric = metric_scales.metric
    where metrics.population = 'customers' and metric_scales.nps_class = 'passive'
),

assumed as (
    select cast({{ assumption('lift_days') }} as int) as horizon_days
),

-- the first answer is the last in the order of the latest
ordered as (
    select
        answers.response_key,
        answers.customer_key,
        answers.metric,
        answers.survey_type,
        answers.nps_class,
        {{ segment_list('answers.', from_mart=true) }}
        answers.responded_at,
        answers.responded_on,
        lead(answers.response_key) over (
            partition by answers.customer_key, answers.metric, answers.survey_type
            order by {{ latest_first('answers') }}
        ) is null as is_first
    from answers
    inner join metrics on answers.metric = metrics.metric
),

final as (
    select
        ordered.response_key,
        ordered.customer_key,
        ordered.metric,
        ordered.survey_type,
        ordered.nps_class,
        {{ segment_list('ordered.') }}
        ordered.responded_on,
        {{ days_after('ordered.responded_on', 'assumed.horizon_days') }} as ends_on,
        not coalesce(lifecycles.has_churn_information, false)
        or lifecycles.churned_at is null
        or lifecycles.churned_at > ordered.responded_at as may_be_active,
        coalesce(lifecycles.has_revenue_information, false) as has_revenue_information
    from ordered
    cross join assumed
    left join {{ ref('int_customer_lifecycles_dated') }} as lifecycles on ordered.customer_key = lifecycles.customer_key
    where ordered.is_first
)

select * from final
