-- what each method finds in comments that were read, beside what the reader found
with found as (
    select
        response_key,
        theme,
        'lexicon' as method
    from {{ ref('int_themes_matched') }}
    where response_key in (select labels.response_key from {{ ref('int_theme_labels') }} as labels)

    union all

    select
        cast(response_key as {{ var('key_type') }}) as response_key,
        theme,
        'model' as method
    from {{ ref('int_themes_learned') }}
    where is_labelled
),

methods as (
    select 'lexicon' as method
    union all
    select 'model' as method
),

named as (
    select
        labels.response_key,
        labels.theme,
        methods.method
    from {{ ref('int_theme_labels') }} as labels
    cross join methods
    where labels.theme <> ''
),

counted as (
    select
        coalesce(named.method, found.method) as method,
        coalesce(named.theme, found.theme) as theme,
        cast(sum(case when named.theme is not null and found.theme is not null then 1 else 0 end) as bigint) as true_positives,
        cast(sum(case when named.theme is null then 1 else 0 end) as bigint) as false_positives,
        cast(sum(case when found.theme is null then 1 else 0 end) as bigint) as false_negatives
    from named
    full outer join found
        on
            named.response_key = found.response_key
            and named.theme = found.theme
            and named.method = found.method
    group by 1, 2
)

select
    *,
    1e0 * true_positives / nullif(true_positives + false_positives, 0) as precision_share,
    1e0 * true_positives / nullif(true_positives + false_negatives, 0) as recall_share,
    2e0 * true_positives / nullif(2 * true_positives + false_positives + false_negatives, 0) as f1,
    -- too few labels say nothing of a theme
    true_positives + false_negatives >= {{ assumption('min_theme_labels') }} as is_measured
from counted
