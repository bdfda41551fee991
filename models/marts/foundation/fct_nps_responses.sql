{{ config(
    materialized='incremental',
    incremental_strategy='replace',
    contract={'enforced': false},
    meta={'changed': {'key': 'response_key', 'model': 'int_responses_affected'}},
    post_hook="{{ describe_segments('as of the answer; NULL: unknown') }}",
) }}

with answers as (
    select * from {{ ref('int_survey_responses_versioned') }}
    where
        row_status = 'accepted'
        and {{ is_affected('response_key', 'int_responses_affected') }}
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

-- open ends are closed far away: an OR in an outer join would compare everybody with everybody
history as (
    select
        customer_key,
        {{ segment_list() }}
        valid_from,
        coalesce(valid_to, cast('9999-12-31' as timestamp)) as valid_to
    from {{ ref('int_customer_history_built') }}
),

-- by id if the CRM knows it, else by an address that one customer holds, else by the unknown id; employees are
-- no customers, and nobody is to see which of them answered what
identified as (
    select
        answers.*,
        {%- for column in ['metric', 'survey_type', 'scale', 'touchpoint'] %}
        surveys.{{ column }} as survey_{{ column }},
        {%- endfor %}
        case when employees.metric is null then coalesce(by_id.customer_key, emails.customer_key, answers.customer_key) end as identified_key,
        case when employees.metric is not null then cast(answers.customer_key as {{ dbt.type_string() }}) end as employee
    from answers
    left join surveys on answers.survey_key = surveys.survey_key
    left join {{ ref('metrics') }} as employees
        on coalesce(answers.metric, surveys.metric) = employees.metric and employees.population = 'employees'
    left join customers as by_id on answers.customer_key = by_id.customer_key
    -- an address is of use only where no id is; said beside the equality, it would be a nested loop
    left join {{ ref('int_customer_emails_resolved') }} as emails on case when by_id.customer_key is null then answers.email_key end = emails.email_key
),

final as (
    select
        identified.response_key,
        identified.source,
        {{ public_text('identified.response_id', 'identified.response_key') }} as response_id,
        identified.survey_key,
        {{ public_text('identified.survey_id', 'identified.survey_key') }} as survey_id,
        identified.identified_key as customer_key,
        coalesce(
            {{ surrogate_key('identified.customer_source', 'identified.account_id') }},
            customers.account_key
        ) as account_key,
        -- whom no customer file knows is known by the id, else by the address, else not at all
        coalesce(
            identified.identified_key,
            {{ keyed_hash('identified.employee') }},
            {{ keyed_hash('identified.email_key') }},
            identified.response_key
        ) as voice_key,
        -- what the answer does not say of itself, its survey says
        coalesce(identified.metric, identified.survey_metric) as metric,
        coalesce(identified.survey_type, identified.survey_survey_type) as survey_type,
        coalesce(identified.scale, identified.survey_scale) as scale,
        identified.channel,
        coalesce(identified.touchpoint, identified.survey_touchpoint) as touchpoint,
        identified.language,
        {%- for column, published_name in segment_columns().items() %}
        coalesce(
            nullif({{ json_member('identified.attributes', column.removeprefix('seg_')) }}, ''),
            history.{{ column }}
        ) as {{ adapter.quote(published_name) }},
        {%- endfor %}
        identified.score,
        identified.nps_class,
        identified.contribution,
        identified.has_comment,
        identified.submitted_at as responded_at,
        {{ business_date('identified.submitted_at') }} as responded_on,
        identified.updated_at as version_at
    from identified
    left join customers on identified.identified_key = customers.customer_key
    left join history
        on
            identified.identified_key = history.customer_key
            and identified.submitted_at >= history.valid_from
            and identified.submitted_at < history.valid_to
)

select * from final
