with measured as (
    select
        theme,
        method,
        f1,
        row_number() over (partition by theme order by f1 desc nulls last, method asc nulls last) as place
    from {{ ref('int_theme_quality_measured') }}
    where is_measured
),

themes as (
    select theme from {{ ref('int_theme_terms_read') }}
    union
    select theme from measured
)

-- the better method; the lexicon where nothing is measured
select
    themes.theme,
    coalesce(measured.method, 'lexicon') as method
from themes
left join measured on themes.theme = measured.theme and measured.place = 1
where measured.theme is null or measured.f1 >= {{ assumption('min_theme_f1') }}
