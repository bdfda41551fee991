-- by how each theme's answers are found that enter figures
select
    response_key,
    theme,
    'lexicon' as method
from {{ ref('int_themes_matched') }}
