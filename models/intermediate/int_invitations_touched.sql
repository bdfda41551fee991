{% if is_batch() -%}
{%- set events = ['delivered_at', 'opened_at', 'responded_at', 'bounced_at', 'opted_out_at'] -%}

-- one scan for each reason: each reads one column, and of the batch's rows little of that
with touched as (
    select invitation_key from {{ ref('int_survey_invitations_versioned') }}
    where batch = {{ this_batch() }}
    union
    -- what became of an answer is what became of its invitation
    select invitation_key from {{ ref('int_survey_responses_versioned') }}
    where batch = {{ this_batch() }}
    union
    select invitation_key from {{ ref('int_survey_invitations_versioned') }}
    where row_status = 'accepted' {{ and_touched('customer_key', 'int_customers_changed') }}
    union
    select invitation_key from {{ ref('int_survey_invitations_versioned') }}
    where row_status = 'accepted' {{ and_touched('email_key', 'int_addresses_touched') }}
    {%- for event in events %}
    union
    -- what lay after as_of has happened meanwhile
    select invitation_key from {{ ref('int_survey_invitations_versioned') }}
    where
        row_status = 'accepted'
        and {{ event }} >= (select last_build.as_of_at from {{ source('raw', 'last_build') }} as last_build)
    {%- endfor %}
    union
    -- its survey is another now
    select identified.invitation_key
    from {{ previous('int_invitations_identified') }} as identified
    left join {{ ref('int_surveys_known') }} as surveys on identified.survey_key = surveys.survey_key
    where
        identified.metric is distinct from surveys.metric
        or identified.survey_type is distinct from surveys.survey_type
)

select invitation_key from touched
where invitation_key is not null
{%- else -%}
-- depends_on: {{ ref('int_survey_invitations_versioned') }}, {{ ref('int_survey_responses_versioned') }}
-- depends_on: {{ ref('int_customers_changed') }}, {{ ref('int_addresses_touched') }}, {{ ref('int_surveys_known') }}
select cast(null as {{ dbt.type_string() }}) as invitation_key
where false
{%- endif %}
