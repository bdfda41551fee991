-- each theme's answers by the one method that figures rest on
select
    matched.response_key,
    chosen.theme,
    chosen.method
from {{ ref('int_themes_matched') }} as matched
inner join {{ ref('int_theme_methods_chosen') }} as chosen on matched.theme = chosen.theme and chosen.method = 'lexicon'

union all

select
    cast(learned.response_key as {{ var('key_type') }}) as response_key,
    chosen.theme,
    chosen.method
from {{ ref('int_themes_learned') }} as learned
inner join {{ ref('int_theme_methods_chosen') }} as chosen on learned.theme = chosen.theme and chosen.method = 'model'
