{{ config(
    contract={'enforced': false},
    post_hook="{{ describe_segments('as of the earlier answer; NULL: unknown') }}",
) }}
{%- set following = ['response_key', 'nps_class', 'contribution', 'responded_at', 'responded_on'] -%}

with answers as (
    select
        responses.*
        {%- for column in following %},
        lag(responses.{{ column }}) over latest_first as next_{{ column }}
        {%- endfor %}
    from {{ ref('fct_nps_responses') }} as responses
    window latest_first as (
        partition by responses.voice_key, responses.metric, responses.survey_type
        order by {{ latest_first('responses') }}
    )
)

select
    answers.response_key,
    answers.next_response_key,
    answers.voice_key,
    answers.customer_key,
    answers.metric,
    answers.survey_type,
    {%- for published_name in segment_columns().values() %}
    answers.{{ adapter.quote(published_name) }},
    {%- endfor %}
    answers.nps_class as from_class,
    answers.next_nps_class as to_class,
    answers.contribution as from_contribution,
    answers.next_contribution as to_contribution,
    answers.responded_at,
    answers.next_responded_at,
    answers.responded_on,
    answers.next_responded_on,
    cast({{ dbt.datediff('answers.responded_on', 'answers.next_responded_on', 'day') }} as int) as days_between,
    coalesce(contacts.contacted_at <= answers.next_responded_at, false) as was_followed_up
from answers
left join {{ ref('int_responses_contacted') }} as contacts on answers.response_key = contacts.response_key
where answers.next_response_key is not null
