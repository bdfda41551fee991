{%- set sides = ['', 'compared_'] -%}
{%- set prior = assumption('emerging_prior_share') -%}

-- comments added to each window, among which the term is as frequent as in both windows together
with added as (
    select
        *
        {%- for side in sides %},
        nullif({{ side }}responses + {{ prior }} * (responses + compared_responses), 0) as {{ side }}naming,
        nullif(
            {{ side }}all_responses - {{ side }}responses
            + {{ prior }} * (all_responses - responses + compared_all_responses - compared_responses), 0
        ) as {{ side }}others
        {%- endfor %},
        {{ assumption('confidence_z') }} as quantile
    from {{ ref('int_terms_counted') }}
),

measured as (
    select
        *,
        ln(naming / others) - ln(compared_naming / compared_others) as log_odds,
        sqrt(1 / naming + 1 / others + 1 / compared_naming + 1 / compared_others) as log_odds_error
    from added
),

tested as (
    select
        *,
        {{ two_sided_p('(log_odds / log_odds_error)') }} as p_value
    from measured
),

{{ benjamini_hochberg('tested', 'p_value', ['metric', 'survey_type']) }}

select
    adjusted.metric,
    adjusted.survey_type,
    adjusted.language,
    adjusted.term,
    adjusted.kind,
    windows.window_days,
    {{ days_after('windows.as_of_on', '1 - windows.window_days') }} as starts_on,
    windows.as_of_on as ends_on,
    adjusted.voices
    {%- for side in sides %},
    adjusted.{{ side }}responses,
    adjusted.{{ side }}all_responses,
    1e0 * adjusted.{{ side }}responses / nullif(adjusted.{{ side }}all_responses, 0) as {{ side }}share
    {%- endfor %},
    adjusted.log_odds,
    adjusted.log_odds - adjusted.quantile * adjusted.log_odds_error as log_odds_ci_low,
    adjusted.log_odds + adjusted.quantile * adjusted.log_odds_error as log_odds_ci_high,
    adjusted.p_value,
    adjusted.comparisons,
    adjusted.p_adjusted,
    coalesce(adjusted.log_odds > 0 and adjusted.p_adjusted <= {{ assumption('significance_level') }}, false) as is_emerging
from adjusted
inner join {{ ref('int_headline_windows_chosen') }} as windows on adjusted.metric = windows.metric and adjusted.survey_type = windows.survey_type
