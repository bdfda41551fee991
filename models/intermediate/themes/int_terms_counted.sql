-- the headline's window and the one before it; detractors are whoever adds least to the metric
with windows as (
    select
        chosen.metric,
        chosen.survey_type,
        {{ days_after('chosen.as_of_on', '1 - chosen.window_days') }} as starts_on,
        chosen.as_of_on as ends_on,
        {{ days_after('chosen.as_of_on', '1 - 2 * chosen.window_days') }} as compared_starts_on,
        min(scales.contribution) as least_contribution
    from {{ ref('int_headline_windows_chosen') }} as chosen
    inner join {{ ref('metrics') }} as metrics on chosen.metric = metrics.metric and metrics.population = 'customers'
    inner join {{ ref('metric_scales') }} as scales on chosen.metric = scales.metric
    where chosen.window_days is not null
    group by chosen.metric, chosen.survey_type, chosen.as_of_on, chosen.window_days
),

answers as (
    select
        facts.response_key,
        facts.voice_key,
        facts.metric,
        facts.survey_type,
        case when facts.responded_on >= windows.starts_on then 1 else 0 end as is_latest,
        row_number() over (
            partition by facts.metric, facts.survey_type, facts.voice_key, facts.responded_on >= windows.starts_on
            order by {{ latest_first('facts') }}
        ) as age
    from {{ ref('fct_nps_responses') }} as facts
    inner join windows
        on
            facts.metric = windows.metric
            and facts.survey_type = windows.survey_type
            and facts.contribution = windows.least_contribution
            and facts.responded_on between windows.compared_starts_on and windows.ends_on
    where facts.has_comment
),

spoken as (
    select
        language,
        count(*) as comments
    from {{ ref('int_comment_languages') }}
    group by language
),

-- a comment that may be of several languages is of the one that most comments are of
ranked as (
    select
        answers.*,
        spoken.language,
        row_number() over (partition by answers.response_key order by spoken.comments desc nulls last, spoken.language asc nulls last) as place
    from answers
    inner join {{ ref('int_comment_languages') }} as languages on answers.response_key = languages.response_key
    inner join spoken on languages.language = spoken.language
    where answers.age = 1
),

comments as (
    select
        ranked.*,
        sum(ranked.is_latest) over (partition by ranked.metric, ranked.survey_type, ranked.language) as all_responses,
        sum(1 - ranked.is_latest) over (partition by ranked.metric, ranked.survey_type, ranked.language) as compared_all_responses
    from ranked
    where ranked.place = 1
),

neighbours as (
    select
        response_key,
        {{ each_value(barred_words('comment', apart=true, addresses=false), neighbours=true) }} as words
    from {{ ref('response_comments') }}
    where response_key in (select comments.response_key from comments)
),

words as (
    select distinct
        neighbours.response_key,
        comments.language,
        {{ dbt.split_part('neighbours.words', "'|'", 1) }} as word,
        {{ dbt.split_part('neighbours.words', "'|'", 2) }} as next_word
    from neighbours
    inner join comments on neighbours.response_key = comments.response_key
),

-- a word has two letters or more and no digit, and is none of its language's commonest
judged as (
    select
        words.*,
        {{ matches('words.word', '\\pL{2,}') }} and common.word is null as is_term,
        {{ matches('words.next_word', '\\pL{2,}') }} and next_common.word is null as is_next_term,
        {{ matches('words.word || words.next_word', '\\p{Han}{2}') }} as is_chinese
    from words
    left join {{ ref('language_words') }} as common on words.language = common.language and words.word = {{ barred_words('common.word') }}
    left join {{ ref('language_words') }} as next_common on words.language = next_common.language and words.next_word = {{ barred_words('next_common.word') }}
),

-- each once in an answer
terms as (
    select
        response_key,
        'word' as kind,
        word as term
    from judged
    where is_term
    union
    select
        response_key,
        'pair' as kind,
        word || case when is_chinese then '' else ' ' end || next_word as term
    from judged
    where is_chinese or (is_term and is_next_term)
)

select
    comments.metric,
    comments.survey_type,
    comments.language,
    terms.term,
    terms.kind,
    cast(count(distinct comments.voice_key) as bigint) as voices,
    cast(sum(comments.is_latest) as bigint) as responses,
    cast(sum(1 - comments.is_latest) as bigint) as compared_responses,
    cast(max(comments.all_responses) as bigint) as all_responses,
    cast(max(comments.compared_all_responses) as bigint) as compared_all_responses
from terms
inner join comments on terms.response_key = comments.response_key
cross join {{ source('raw', 'workspace') }} as workspace
group by comments.metric, comments.survey_type, comments.language, terms.term, terms.kind, workspace.min_group_size
-- a term of fewer voices may be a name: it is not kept
having count(distinct comments.voice_key) >= workspace.min_group_size
