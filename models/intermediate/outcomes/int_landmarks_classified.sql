{{ config(
    materialized='incremental',
    incremental_strategy='replace',
    meta={'changed': {'key': 'customer_key', 'model': 'int_customers_affected'}},
) }}
{%- set voice = ['customer_key', 'metric', 'survey_type'] %}
{%- set columns = voice + [
    'sent_at', 'sent_on', 'landmark_at', 'landmark_on', 'is_answered', 'days_to_churn', 'has_churn_information',
    'may_be_active',
] %}

with followed as (
    select * from {{ ref('int_invitations_followed') }}
    where {{ is_affected('customer_key', 'int_customers_affected') }}
),

-- of a customer's several answers to one invitation the first
answered as (
    select
        links.invitation_key,
        {%- for column in voice %}
        responses.{{ column }},
        {%- endfor %}
        responses.nps_class,
        {{ segment_list('responses.', from_mart=true) }}
        responses.responded_at,
        row_number() over (
            partition by links.invitation_key, responses.{{ voice | join(', responses.') }}
            order by responses.responded_at asc nulls last, responses.response_key asc nulls last
        ) as turn
    from {{ ref('int_survey_responses_versioned') }} as links
    inner join {{ ref('fct_nps_responses') }} as responses on links.response_key = responses.response_key
    where
        links.row_status = 'accepted'
        and links.invitation_key is not null
        and responses.customer_key is not null
        and {{ is_affected('responses.customer_key', 'int_customers_affected') }}
),

final as (
    select
        followed.invitation_key,
        {%- for column in columns %}
        followed.{{ column }},
        {%- endfor %}
        {%- for segment in segment_columns() %}
        answered.{{ segment }},
        {%- endfor %}
        answered.nps_class
    from followed
    left join answered
        on
            followed.invitation_key = answered.invitation_key
            {%- for column in voice %}
            and followed.{{ column }} = answered.{{ column }}
            {%- endfor %}
            and followed.landmark_at >= answered.responded_at
            and answered.turn = 1
    where followed.is_answered

    union all

    select
        invitation_key,
        {{ columns | join(', ') }},
        {{ segment_list() }}
        nps_class
    from followed
    where not is_answered
)

select * from final
