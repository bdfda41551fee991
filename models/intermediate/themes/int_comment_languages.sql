{{ config(
    materialized='incremental',
    incremental_strategy='replace',
    meta={'changed': {'key': 'response_key', 'model': 'int_responses_affected'}},
) }}

with comments as (
    select
        comments.response_key,
        comments.comment,
        -- en, en-GB, en_GB: other texts name no language
        case when {{ matches('lower(trim(facts.language))', '[a-z]{2}([-_].*)?') }} then lower(left(trim(facts.language), 2)) end as declared_language
    from {{ ref('response_comments') }} as comments
    inner join {{ ref('fct_nps_responses') }} as facts on comments.response_key = facts.response_key
    where {{ is_affected('comments.response_key', 'int_responses_affected') }}
),

words as (
    select
        response_key,
        {{ each_value(barred_words('comment', apart=true)) }} as word
    from comments
    where declared_language is null
),

known_words as (
    select distinct
        language,
        {{ barred_words('word') }} as word
    from {{ ref('language_words') }}
),

votes as (
    select
        words.response_key,
        known_words.language,
        count(*) as votes
    from words
    inner join known_words on words.word = known_words.word
    group by words.response_key, known_words.language
),

ranked as (
    select
        response_key,
        language,
        votes,
        max(votes) over (partition by response_key) as most_votes
    from votes
),

lexicon as (
    select distinct language from {{ ref('theme_terms') }}
),

final as (
    select
        response_key,
        declared_language as language,
        'declared' as found_by
    from comments
    where declared_language is not null

    union all

    select
        response_key,
        language,
        'words' as found_by
    from ranked
    where votes = most_votes

    union all

    -- a comment without any such word may be of every language
    select
        comments.response_key,
        lexicon.language,
        'nothing' as found_by
    from comments
    cross join lexicon
    left join (select distinct response_key from votes) as voted on comments.response_key = voted.response_key
    where comments.declared_language is null and voted.response_key is null
)

select * from final
