{{ config(
    materialized='incremental',
    incremental_strategy='replace',
    meta={'changed': {'key': 'response_key', 'model': 'int_responses_affected'}},
) }}
{%- set beginning = 3 -%}

with comments as (
    select
        comments.response_key,
        languages.language,
        '|' || {{ barred_words('comments.comment') }} || '|' as letters,
        '*|' || {{ barred_words('comments.comment', apart=true) }} as letters_apart
    from {{ ref('response_comments') }} as comments
    inner join {{ ref('int_comment_languages') }} as languages on comments.response_key = languages.response_key
    where {{ is_affected('comments.response_key', 'int_responses_affected') }}
),

words as (
    select
        response_key,
        language,
        letters,
        {{ each_value('letters_apart') }} as word
    from comments
),

matches as (
    select distinct
        words.response_key,
        words.language,
        terms.theme,
        terms.term,
        terms.kind,
        terms.letters,
        {{ dbt.position('terms.pattern', 'words.letters') }} - terms.offset_letters as match_start
    from words
    inner join {{ ref('int_theme_terms_read') }} as terms
        on
            words.language = terms.language
            and left(words.word, {{ beginning }}) = terms.beginning
            and {{ dbt.position('terms.pattern', 'words.letters') }} > 0
),

-- an excluding term takes back the terms that are part of it
taken_back as (
    select distinct
        matches.response_key,
        matches.language,
        matches.theme,
        matches.term
    from matches
    inner join matches as excluding
        on
            matches.response_key = excluding.response_key
            and matches.theme = excluding.theme
            and matches.language = excluding.language
            and {{ dbt.position('matches.letters', 'excluding.letters') }} > 0
    where matches.kind = 'include' and excluding.kind = 'exclude'
),

kept as (
    select
        matches.*,
        row_number() over (
            partition by matches.response_key, matches.theme
            order by matches.match_start asc nulls last, length(matches.letters) desc nulls last, matches.term asc nulls last, matches.language asc nulls last
        ) as place
    from matches
    left join taken_back
        on
            matches.response_key = taken_back.response_key
            and matches.theme = taken_back.theme
            and matches.language = taken_back.language
            and matches.term = taken_back.term
    where matches.kind = 'include' and taken_back.term is null
)

select
    response_key,
    theme,
    language,
    term,
    cast(match_start as int) as match_start,
    cast(length(letters) as int) as match_length
from kept
where place = 1
