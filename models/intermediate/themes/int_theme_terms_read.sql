{%- set beginning = 3 -%}

-- a star stands for any letters: without one a term begins, or ends, where a word does
with written as (
    select
        theme,
        language,
        term,
        kind,
        term like '*%' as begins_anywhere,
        term like '%*' as ends_anywhere,
        {{ barred_words(dbt.replace('term', "'*'", "''")) }} as letters,
        {{ barred_words(dbt.replace('term', "'*'", "''"), apart=true) }} as letters_apart
    from {{ ref('theme_terms') }}
)

select
    theme,
    language,
    term,
    kind,
    letters,
    case when begins_anywhere then 1 else 0 end as offset_letters,
    case when begins_anywhere then '' else '|' end || letters || case when ends_anywhere then '' else '|' end as pattern,
    -- by what a word must begin for the term to be looked for
    case
        when letters_apart <> letters then {{ dbt.split_part('letters_apart', "'|'", 2) }}
        when begins_anywhere then '*'
        else left({{ dbt.split_part('letters', "'|'", 1) }}, {{ beginning }})
    end as beginning
from written
