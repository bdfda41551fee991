{#- Digits with a sign, blanks around them or a fraction of zeros: 9, ` 9 `, 09, +9, 9.0; or a number and a
    label without digits, as survey tools write the ends of a scale: `10 - Extremely likely`. Nothing else
    is a score: 8.5 is not rounded, 9,0, 10-Sep and 1e1 are not guessed. Only ASCII digits and blanks. -#}
{%- set number = var('score_number') -%}
{%- set number_first = var('score_number_first') -%}
{%- set number_last = var('score_number_last') -%}

select
    -- ids
    {{ surrogate_key('_source', 'response_id') }} as response_key,
    response_id,
    survey_id,
    {{ surrogate_key('_source', 'survey_id') }} as survey_key,
    invitation_id,
    {{ surrogate_key('_source', 'invitation_id') }} as invitation_key,
    customer_id,
    {{ surrogate_key('_customer_source', 'customer_id') }} as customer_key,
    _email_key as email_key,
    account_id,

    -- text
    lower(trim(metric)) as metric,
    lower(trim(survey_type)) as survey_type,
    trim(scale) as scale,
    lower(trim(channel)) as channel,
    trim(touchpoint) as touchpoint,
    lower(trim(language)) as language,
    _attributes as attributes,

    -- numerics
    case
        when {{ matches('score', number) }}
            then {{ try_cast("split_part(trim(score), '.', 1)", 'integer') }}
        when {{ matches('score', number_first) }}
            then {{ try_cast("split_part(trim(score), ' ', 1)", 'integer') }}
        when {{ matches('score', number_last) }}
            then {{ try_cast("split_part(trim(score), ' ', -1)", 'integer') }}
    end as score,

    -- booleans
    comment is not null as has_comment,
    coalesce(deletions.deleted = 'yes', false) as is_deleted,

    -- timestamps
    {{ try_cast('submitted_at', 'timestamp') }} as submitted_at,
    -- an answer without a version has its delivery's declared date; a tombstone without one stands for good
    coalesce(
        {{ try_cast('updated_at', 'timestamp') }},
        case when dated.source is not null and coalesce(deletions.deleted, 'no') <> 'yes' then _snapshot_at end
    ) as updated_at,

    -- verdict
    case
        -- a deletion needs no more than its id: no rule excludes it
        when _flags like '%_row:excluded%' and coalesce(deletions.deleted, 'no') <> 'yes' then 'excluded'
        when response_id is null then 'missing_id'
        when trim(is_deleted) <> '' and coalesce(deletions.deleted, 'unknown') = 'unknown' then 'bad_value'
        {{ timestamp_reasons('updated_at') }}
        {{ event_reasons('updated_at') }}
        when _flags like '%_snapshot_at:bad_timestamp%' then 'bad_timestamp'
        -- a tombstone needs no more than its id
        when deletions.deleted = 'yes' then null
        -- what is no customer's answer, or none yet, may lack whatever it wants
        when trim(is_test) <> '' and coalesce(statuses.answer, 'unknown') = 'unknown' then 'bad_value'
        when statuses.answer = 'test' then 'test_answer'
        when statuses.answer = 'incomplete' then 'incomplete_answer'
        -- one of several questions of a row may have gone unasked: it has no date either
        when submitted_at is null and trim(coalesce(score, '')) = '' then 'score_missing'
        {{ timestamp_reasons('submitted_at', required=true) }}
        {{ event_reasons('submitted_at') }}
        when score is null or trim(score) = '' then 'score_missing'
        when {{ matches('score', number ~ '|' ~ number_first ~ '|' ~ number_last) }} then null
        -- how pandas, R, Python and SQL write that there is no value
        when {{ matches('lower(trim(score))', var('score_missing')) }} then 'score_missing'
        when score is not null then 'score_not_a_whole_number'
    end as reject_reason,

    -- provenance
    {{ provenance() }}
from {{ source('raw', 'survey_responses') }} as raw
left join {{ ref('boolean_words') }} as deletions on lower(trim(raw.is_deleted)) = deletions.word
left join {{ ref('boolean_words') }} as statuses on lower(trim(raw.is_test)) = statuses.word
left join {{ source('raw', 'mapped_columns') }} as dated
    on
        raw._source = dated.source
        and dated.entity = 'survey_responses'
        and dated.column_name = '_snapshot_at'
