{{ config(
    materialized='incremental',
    incremental_strategy='replace',
    contract={'enforced': false},
    meta={'touched': "response_key in (select response_key from intermediate.int_responses_touched)"},
    post_hook="{{ describe_segments('as of the answer; NULL: unknown') }}",
) }}

select
    response_key,
    source,
    response_id,
    survey_key,
    survey_id,
    customer_key,
    account_key,
    voice_key,
    metric,
    survey_type,
    scale,
    channel,
    touchpoint,
    language,
    {{ segment_list() }}
    score,
    nps_class,
    contribution,
    has_comment,
    responded_at,
    responded_on,
    version_at
from {{ ref('int_responses_identified') }}
where true {{ and_touched('response_key', 'int_responses_touched') }}
