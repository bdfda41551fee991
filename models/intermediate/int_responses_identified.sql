{{ config(
    materialized='incremental',
    incremental_strategy='replace',
    meta={'touched': "response_key in (select response_key from intermediate.int_responses_touched)"},
) }}
{%- do come_after('int_responses_before') %}
{%- set segments = segment_columns() -%}

with answers as (
    select * from {{ ref('int_survey_responses_versioned') }}
    where
        row_status = 'accepted'
        {{ and_touched('response_key', 'int_responses_touched') }}
),

surveys as (
    select * from {{ ref('int_surveys_versioned') }}
    where row_status = 'accepted'
),

customers as (
    select
        customer_key,
        account_key
    from {{ ref('int_customers_known') }}
),

emails as (
    select * from {{ ref('int_customer_emails_resolved') }}
),

-- open ends are closed far away: an OR in an outer join would compare everybody with everybody
history as (
    select
        customer_key,
        {{ segment_list() }}
        valid_from,
        coalesce(valid_to, cast('9999-12-31' as timestamp)) as valid_to
    from {{ ref('int_customer_history_built') }}
),

workspace as (
    select timezone from {{ source('raw', 'workspace') }}
),

-- by id if the CRM knows it, else by an address that one customer holds, else by the unknown id
identified as (
    select
        answers.* {{ except_columns(['customer_key', 'metric', 'survey_type', 'scale', 'touchpoint']) }},
        {%- for column in ['metric', 'survey_type', 'scale', 'touchpoint'] %}
        {{ described_by_survey('answers', column) }} as {{ column }},
        {%- endfor %}
        coalesce(by_id.customer_key, emails.customer_key, answers.customer_key) as customer_key
    from answers
    left join surveys on answers.survey_key = surveys.survey_key
    left join customers as by_id on answers.customer_key = by_id.customer_key
    -- an address is of use only where no id is; said beside the equality, it would be a nested loop
    left join emails on case when by_id.customer_key is null then answers.email_key end = emails.email_key
),

segmented as (
    select
        identified.* {{ except_columns(['account_id']) }},
        coalesce(
            {{ surrogate_key('identified.customer_source', 'identified.account_id') }},
            customers.account_key
        ) as account_key
        {%- for segment in segments %},
        coalesce(nullif({{ json_member('identified.attributes', segment) }}, ''), history.{{ segment }}) as {{ segment }}
        {%- endfor %}
    from identified
    left join customers on identified.customer_key = customers.customer_key
    left join history
        on
            identified.customer_key = history.customer_key
            and identified.submitted_at >= history.valid_from
            and identified.submitted_at < history.valid_to
),

final as (
    select
        segmented.response_key,
        segmented.source,
        segmented.response_id,
        segmented.survey_key,
        segmented.survey_id,
        segmented.invitation_key,
        segmented.customer_key,
        segmented.account_key,
        coalesce(segmented.customer_key, segmented.response_key) as voice_key,
        segmented.metric,
        segmented.survey_type,
        segmented.scale,
        segmented.channel,
        segmented.touchpoint,
        segmented.language,
        {{ segment_list('segmented.') }}
        segmented.score,
        segmented.nps_class,
        segmented.contribution,
        segmented.has_comment,
        segmented.submitted_at as responded_at,
        {{ business_date('segmented.submitted_at', 'workspace.timezone') }} as responded_on,
        segmented.updated_at as version_at
    from segmented
    cross join workspace
)

select * from final
