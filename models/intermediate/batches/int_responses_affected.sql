{%- set previous_answers = source('previous_marts', 'fct_nps_responses') if is_batch() or not execute -%}
{%- set text = dbt.type_string() -%}
{%- set previous_columns = {
    'source': text,
    'response_id': text,
    'survey_id': text,
    'voice_key': text,
    'metric': text,
    'survey_type': text,
    'channel': text,
    'touchpoint': text,
    'score': dbt.type_int(),
    'contribution': dbt.type_int(),
    'responded_at': 'timestamp',
    'responded_on': 'date',
    'version_at': 'timestamp',
} -%}

-- one scan for each reason: each reads one column, and few rows
with affected as (
    select response_key from {{ ref('int_survey_responses_versioned') }}
    where batch = {{ this_batch() }}
    union
    select response_key from {{ ref('int_survey_responses_versioned') }}
    where row_status = 'accepted' and {{ is_affected('customer_key', 'int_customers_changed') }}
    union
    select response_key from {{ ref('int_survey_responses_versioned') }}
    where row_status = 'accepted' and {{ is_affected('email_key', 'int_addresses_affected') }}
),

-- what the previous build said of them; a full build has none before it
final as (
    select
        affected.response_key
        {%- for column, type in previous_columns.items() %},
        {{ 'previous.' ~ column if is_batch() else 'cast(null as ' ~ type ~ ')' }} as {{ column }}
        {%- endfor %}
        {%- for column, published_name in segment_columns().items() %},
        {{ 'previous.' ~ adapter.quote(published_name) if is_batch() else 'cast(null as ' ~ text ~ ')' }} as {{ column }}
        {%- endfor %}
    from affected
    {%- if is_batch() %}
    left join {{ previous_answers }} as previous
        on affected.response_key = previous.response_key
    {%- endif %}
    where {{ is_batch() | lower }} and affected.response_key is not null
)

select * from final
