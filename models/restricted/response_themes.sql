{{ config(
    materialized='incremental',
    incremental_strategy='replace',
    on_schema_change='fail',
    meta={'changed': {'key': 'response_key', 'model': 'int_responses_affected'}},
) }}

select
    response_key,
    theme,
    'lexicon' as method,
    language,
    term,
    match_start,
    match_length,
    cast(null as double) as confidence
from {{ ref('int_themes_matched') }}
where {{ is_affected('response_key', 'int_responses_affected') }}
