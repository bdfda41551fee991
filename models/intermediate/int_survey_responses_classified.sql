with responses as (
    select * from {{ ref('stg_survey_responses') }}
),

surveys as (
    select * from {{ ref('int_surveys_versioned') }}
    where row_status = 'accepted'
),

invitations as (
    select * from {{ ref('int_survey_invitations_versioned') }}
    where row_status = 'accepted'
),

workspace as (
    select timezone from {{ source('raw', 'workspace') }}
),

scales as (
    select distinct
        metric,
        scale
    from {{ ref('metric_scales') }}
),

-- what the answer doesn't say of itself, its survey says
described as (
    select
        responses.* {{ except_columns(['metric', 'survey_type', 'scale', 'touchpoint']) }},
        coalesce(responses.metric, surveys.metric) as metric,
        coalesce(responses.survey_type, surveys.survey_type) as survey_type,
        coalesce(responses.scale, surveys.scale) as scale,
        coalesce(responses.touchpoint, surveys.touchpoint) as touchpoint,
        responses.scale <> surveys.scale as is_on_another_scale,
        invitations.sent_at
    from responses
    left join surveys on responses.survey_key = surveys.survey_key
    left join invitations on responses.invitation_key = invitations.invitation_key
),

classified as (
    select
        described.* {{ except_columns(['reject_reason', 'is_on_another_scale', 'sent_at']) }},
        metric_scales.nps_class,
        metric_scales.contribution,
        case
            when described.reject_reason is not null then described.reject_reason
            when described.is_deleted then null
            when described.is_on_another_scale then 'another_scale'
            when scales.scale is null or described.survey_type is null then 'unknown_scale'
            when metric_scales.score is null then 'score_out_of_range'
            when
                described.submitted_at < described.sent_at
                -- a day without a time is its midnight: on the day of the sending it says nothing
                and not (
                    {{ business_date('described.submitted_at', 'workspace.timezone') }} = {{ business_date('described.sent_at', 'workspace.timezone') }}
                    and {{ business_date(dbt.dateadd('second', -1, 'described.submitted_at'), 'workspace.timezone') }}
                    < {{ business_date('described.submitted_at', 'workspace.timezone') }}
                )
                then 'answered_before_sent'
        end as reject_reason
    from described
    cross join workspace
    left join scales
        on described.metric = scales.metric and described.scale = scales.scale
    left join {{ ref('metric_scales') }} as metric_scales
        on
            described.metric = metric_scales.metric
            and described.scale = metric_scales.scale
            and described.score = metric_scales.score
)

select * from classified
