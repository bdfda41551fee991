{{ config(
    contract={'enforced': false},
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
