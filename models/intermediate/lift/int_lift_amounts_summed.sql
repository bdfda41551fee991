with measures as (
    {%- for measure in ['revenue', 'referrals', 'tickets', 'usage'] %}
    select '{{ measure }}' as measure
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

-- what a source has not delivered yet, or delivers no longer, is unknown and not zero
followed as (
    select
        answers.customer_key,
        answers.metric,
        answers.survey_type,
        answers.nps_class,
        {{ segment_list('answers.') }}
        answers.responded_on,
        answers.ends_on,
        answers.may_be_active,
        measures.measure,
        covered.first_on is not null as is_delivered,
        answers.may_be_active and coalesce(
            covered.first_on <= answers.responded_on
            and covered.last_on >= answers.ends_on
            and answers.ends_on <= workspace.as_of_on, false
        ) as is_observed
    from {{ ref('int_first_answers_followed') }} as answers
    cross join measures
    cross join {{ source('raw', 'workspace') }} as workspace
    left join {{ ref('dim_customers') }} as customers on answers.customer_key = customers.customer_key
    left join {{ ref('int_measures_covered') }} as covered
        on
            customers.source = covered.customer_source
            and case when measures.measure <> 'revenue' or answers.has_revenue_information then measures.measure end = covered.measure
),

happened as (
    select
        followed.customer_key,
        followed.metric,
        followed.survey_type,
        followed.measure,
        {{ exact_sum('events.amount') }} as amount
    from followed
    inner join {{ ref('int_customer_events_dated') }} as events
        on
            followed.customer_key = events.customer_key
            and followed.measure = events.measure
            and followed.responded_on < events.happened_on
            and followed.ends_on >= events.happened_on
    where followed.is_observed
    group by followed.customer_key, followed.metric, followed.survey_type, followed.measure
),

-- without events the amount is 0; NULL: too large to be summed exactly
final as (
    select
        followed.customer_key,
        followed.metric,
        followed.survey_type,
        followed.nps_class,
        {{ segment_list('followed.') }}
        followed.measure,
        followed.may_be_active,
        followed.is_delivered,
        followed.is_observed,
        case
            when followed.is_observed and happened.customer_key is null then 0e0
            when followed.is_observed then happened.amount
        end as amount
    from followed
    left join happened
        on
            followed.customer_key = happened.customer_key
            and followed.metric = happened.metric
            and followed.survey_type = happened.survey_type
            and followed.measure = happened.measure
)

select * from final
