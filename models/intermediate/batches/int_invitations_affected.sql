{%- set previous_invitations = source('previous_intermediate', 'int_invitations_identified') if is_batch() or not execute -%}
{%- set surveys = ref('int_surveys_known') -%}
{%- set conditions = [is_affected('customer_key', 'int_customers_changed'), is_affected('email_key', 'int_addresses_affected')] -%}
{#- what was after the previous as_of has happened since -#}
{%- for event in ['delivered_at', 'opened_at', 'responded_at', 'bounced_at', 'opted_out_at'] -%}
    {%- do conditions.append(event ~ ' >= (select last_build.as_of_at from ' ~ source('raw', 'last_build') ~ ' as last_build)') -%}
{%- endfor -%}

-- one scan for each reason: each reads one column, and few rows
with affected as (
    select invitation_key from {{ ref('int_survey_invitations_versioned') }}
    where batch = {{ this_batch() }}
    union
    -- what becomes of an answer becomes of its invitation
    select invitation_key from {{ ref('int_survey_responses_versioned') }}
    where batch = {{ this_batch() }}
    {%- for condition in conditions %}
    union
    select invitation_key from {{ ref('int_survey_invitations_versioned') }}
    where row_status = 'accepted' and {{ condition }}
    {%- endfor %}
    {%- if is_batch() %}
    union
    -- its survey is described otherwise
    select previous.invitation_key
    from {{ previous_invitations }} as previous
    left join {{ surveys }} as surveys on previous.survey_key = surveys.survey_key
    where
        previous.metric is distinct from surveys.metric
        or previous.survey_type is distinct from surveys.survey_type
    {%- endif %}
)

select invitation_key from affected
where {{ is_batch() | lower }} and invitation_key is not null
