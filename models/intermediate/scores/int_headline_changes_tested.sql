with windows as (
    select * from {{ ref('int_headline_windows_chosen') }}
),

levels as (
    select * from {{ ref('int_test_levels_listed') }}
),

workspace as (
    select * from {{ source('raw', 'workspace') }}
),

-- one voice counts once: no answer is repeated
pairs as (
    select
        paired.*,
        'customers' as basis,
        paired.promoters + paired.passives + paired.detractors as responses,
        paired.compared_promoters + paired.compared_passives + paired.compared_detractors as compared_responses,
        {%- for side in ['', 'compared_'] %}
        {%- for sum in ['repeats', 'repeated_weights', 'repeated_products', 'repeated_squares'] %}
        0 as {{ side }}{{ sum }},
        {%- endfor %}
        {%- endfor %}
        {{ covariance('paired.shared_voices', 'paired.total', 'paired.compared_total', 'paired.products') }} as covariance,
        metrics.top_prior_of_two,
        metrics.middle_prior_of_two,
        metrics.bottom_prior_of_two
    from {{ ref('int_headline_voices_paired') }} as paired
    inner join {{ ref('metrics') }} as metrics on paired.metric = metrics.metric
),

{{ measure_changes('pairs') }},

changes as (
    select
        measured.comparison,
        measured.metric,
        measured.survey_type,
        measured.compared_responses as responses,
        case when measured.comparison = 'year_before' then {{ days_after('windows.as_of_on', '-365') }} else {{ days_after('windows.as_of_on', '-windows.window_days') }} end as ends_on,
        case when measured.compared_responses >= workspace.min_group_size then measured.compared_nps end as nps,
        measured.nps - measured.compared_nps as raw_change,
        measured.tested_change,
        measured.standard_error,
        measured.is_untestable,
        measured.shared_voices,
        measured.moved_voices,
        case
            when windows.window_days is null then 'no_window'
            when measured.compared_responses = 0 then 'no_answers'
            when least(measured.responses, measured.compared_responses) < workspace.min_group_size then 'suppressed'
        end as hidden_because
    from measured
    inner join windows on measured.metric = windows.metric and measured.survey_type = windows.survey_type
    cross join workspace
),

standardised as (
    select
        *,
        coalesce(hidden_because, case when is_untestable then 'too_few_to_test' end) as untested_because
    from changes
),

tested as (
    select
        *,
        case when untested_because is null then tested_change / standard_error end as z
    from standardised
),

final as (
    select
        metric,
        survey_type,
        comparison,
        ends_on,
        responses,
        nps,
        case when hidden_because is null then raw_change end as change,
        case when hidden_because is null then tested_change end as tested_change,
        case when hidden_because is null then standard_error end as standard_error,
        {{ two_sided_p('z') }} as p_value,
        {{ two_sided_p('z') }} <= levels.significance_level as is_significant,
        untested_because,
        case when hidden_because is null then levels.detectable_errors * standard_error end as detectable_change,
        case when hidden_because is null then shared_voices end as shared_voices,
        case when hidden_because is null then moved_voices end as moved_voices
    from tested
    cross join levels
)

select * from final
