with labelled as (
    select cast(count(distinct response_key) as bigint) as labelled_responses
    from {{ ref('int_theme_labels') }}
),

themes as (
    select
        measured.*,
        chosen.theme is not null as is_used
    from {{ ref('int_theme_quality_measured') }} as measured
    left join {{ ref('int_theme_methods_chosen') }} as chosen on measured.theme = chosen.theme and measured.method = chosen.method
),

rated as (
    select
        'none' as average,
        method,
        theme,
        true_positives,
        false_positives,
        false_negatives,
        precision_share,
        recall_share,
        f1,
        is_measured,
        is_used
    from themes

    union all

    -- over all pairs of comment and theme
    select
        'micro' as average,
        method,
        'all' as theme,
        cast(sum(true_positives) as bigint) as true_positives,
        cast(sum(false_positives) as bigint) as false_positives,
        cast(sum(false_negatives) as bigint) as false_negatives,
        1e0 * sum(themes.true_positives) / nullif(sum(themes.true_positives + themes.false_positives), 0) as precision_share,
        1e0 * sum(themes.true_positives) / nullif(sum(themes.true_positives + themes.false_negatives), 0) as recall_share,
        2e0 * sum(themes.true_positives) / nullif(sum(2 * themes.true_positives + themes.false_positives + themes.false_negatives), 0) as f1,
        cast(null as boolean) as is_measured,
        cast(null as boolean) as is_used
    from themes
    group by method

    union all

    -- the mean of the themes, rounded: it must not depend on their order; what is not defined is 0, as in scikit-learn
    select
        'macro' as average,
        method,
        'all' as theme,
        cast(null as bigint) as true_positives,
        cast(null as bigint) as false_positives,
        cast(null as bigint) as false_negatives,
        round(avg(coalesce(themes.precision_share, 0)), 10) as precision_share,
        round(avg(coalesce(themes.recall_share, 0)), 10) as recall_share,
        round(avg(coalesce(themes.f1, 0)), 10) as f1,
        cast(null as boolean) as is_measured,
        cast(null as boolean) as is_used
    from themes
    group by method
)

select
    rated.average,
    rated.method,
    rated.theme,
    labelled.labelled_responses,
    rated.true_positives,
    rated.false_positives,
    rated.false_negatives,
    rated.precision_share,
    rated.recall_share,
    rated.f1,
    rated.is_measured,
    rated.is_used
from rated
cross join labelled
