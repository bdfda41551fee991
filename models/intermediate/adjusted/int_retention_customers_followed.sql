with lifecycles as (
    select
        customer_key,
        {{ business_date('signed_up_at') }} as signed_up_on
    from {{ ref('int_customer_lifecycles_dated') }}
)

select
    firsts.metric,
    firsts.survey_type,
    firsts.customer_key,
    firsts.nps_class,
    {%- for segment in segment_columns() %}
    coalesce(firsts.{{ segment }}, '(unknown)') as {{ segment }},
    {%- endfor %}
    {{ dbt.datediff('lifecycles.signed_up_on', 'firsts.responded_on', 'day') }} as tenure_days,
    churn.mrr_at_answer as mrr,
    churn.days_to_churn,
    cast({{ dbt.datediff('firsts.responded_on', 'workspace.as_of_on', 'day') }} as int) as days_seen,
    {{ random_share('firsts.customer_key', 'cast(' ~ assumption('random_seed') ~ ' as bigint)') }} as draw,
    count(*) over (partition by firsts.metric, firsts.survey_type) as known_customers
from {{ ref('int_first_answers_followed') }} as firsts
inner join {{ ref('fct_nps_churn') }} as churn on firsts.response_key = churn.response_key
left join lifecycles on firsts.customer_key = lifecycles.customer_key
cross join {{ source('raw', 'workspace') }} as workspace
where churn.has_churn_information and churn.was_active_at_answer
