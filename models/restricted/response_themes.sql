select
    matched.response_key,
    matched.theme,
    'lexicon' as method,
    matched.language,
    matched.term,
    matched.match_start,
    matched.match_length,
    measured.precision_share as confidence
from {{ ref('int_themes_matched') }} as matched
left join {{ ref('int_theme_quality_measured') }} as measured
    on matched.theme = measured.theme and measured.method = 'lexicon' and measured.is_measured

union all

select
    cast(response_key as {{ var('key_type') }}) as response_key,
    theme,
    'model' as method,
    cast(null as {{ dbt.type_string() }}) as language,
    cast(null as {{ dbt.type_string() }}) as term,
    cast(null as int) as match_start,
    cast(null as int) as match_length,
    confidence
from {{ ref('int_themes_learned') }}
