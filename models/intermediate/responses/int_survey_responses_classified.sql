{{ config(materialized='view') }}

{%- set previous_surveys = source('previous_intermediate', 'int_surveys_known') if is_batch() or not execute -%}
{%- set judged = source('previous_intermediate', 'int_survey_responses_versioned') if is_batch() or not execute -%}

{%- set columns = [
    'response_key', 'response_id', 'survey_id', 'survey_key', 'invitation_key',
    'customer_id', 'customer_key', 'email_key', 'account_id', 'metric',
    'survey_type', 'scale', 'channel', 'touchpoint', 'language', 'attributes', 'score',
    'has_comment', 'is_deleted', 'submitted_at', 'updated_at',
] + var('provenance_columns') -%}

with surveys as (
    select * from {{ ref('int_surveys_versioned') }}
    where row_status = 'accepted'
),

invitations as (
    select * from {{ ref('int_survey_invitations_versioned') }}
    where row_status = 'accepted'
),

scales as (
    select distinct
        metric,
        scale
    from {{ ref('metric_scales') }}
),

{% if is_batch() -%}
{{ delivered_rows(ref('stg_survey_responses'), 'survey_responses', judged, columns, reason='staged_reason') }},

-- a survey that is described otherwise than in the previous build, for the first time, or no longer
redescribed as (
    select coalesce(surveys.survey_key, known.survey_key) as survey_key
    from surveys
    full outer join {{ previous_surveys }} as known on surveys.survey_key = known.survey_key
    where surveys.row_hash is distinct from known.row_hash
),

-- older answers compete with the delivered ones of their keys, and their survey or invitation may say otherwise now
affected as (
    select response_key from delivered
    union
    select response_key from {{ judged }}
    where
        survey_key in (select redescribed.survey_key from redescribed)
        or invitation_key in (
            select delivered.invitation_key from {{ ref('int_survey_invitations_versioned') }} as delivered
            where delivered.batch = {{ this_batch() }}
        )
),

responses as (
    select * from delivered

    union all

    select
        {{ columns | join(',\n        ') }},
        staged_reason as reject_reason
    from {{ judged }}
    where
        response_key in (select affected.response_key from affected)
        and staged_reason is distinct from 'future'
        and file_sha256 not in ({{ (["''"] + new_files('survey_responses')) | join(', ') }})
),
{%- else -%}
responses as (
    select * from {{ ref('stg_survey_responses') }}
),
{%- endif %}

-- what the answer doesn't say of itself, its survey says
described as (
    select
        responses.*,
        coalesce(responses.metric, surveys.metric) as described_metric,
        coalesce(responses.scale, surveys.scale) as described_scale,
        coalesce(responses.survey_type, surveys.survey_type) as described_type,
        responses.scale <> surveys.scale as is_on_another_scale,
        invitations.sent_at
    from responses
    left join surveys on responses.survey_key = surveys.survey_key
    left join invitations on responses.invitation_key = invitations.invitation_key
),

classified as (
    select
        {%- for column in columns %}
        described.{{ column }},
        {%- endfor %}
        described.reject_reason as staged_reason,
        metric_scales.nps_class,
        metric_scales.contribution,
        case
            when described.reject_reason is not null then described.reject_reason
            when described.is_deleted then null
            when described.is_on_another_scale then 'another_scale'
            when scales.scale is null or described.described_type is null then 'unknown_scale'
            when metric_scales.score is null then 'score_out_of_range'
            when
                described.submitted_at < described.sent_at
                -- a day without a time is its midnight: on the day of the sending it says nothing
                and not (
                    {{ business_date('described.submitted_at') }} = {{ business_date('described.sent_at') }}
                    and {{ business_date(dbt.dateadd('second', -1, 'described.submitted_at')) }}
                    < {{ business_date('described.submitted_at') }}
                )
                then 'answered_before_sent'
        end as reject_reason
    from described
    left join scales
        on described.described_metric = scales.metric and described.described_scale = scales.scale
    left join {{ ref('metric_scales') }} as metric_scales
        on
            described.described_metric = metric_scales.metric
            and described.described_scale = metric_scales.scale
            and described.score = metric_scales.score
)

select * from classified
