{%- set family = ['comparison', 'time_grain', 'period_start', 'basis', 'metric', 'survey_type', 'dimension'] -%}

with summed as (
    select
        *,
        sum(responses) over (partition by {{ family | join(', ') }}) as total_responses,
        sum(compared_responses) over (partition by {{ family | join(', ') }}) as total_compared_responses
    from {{ ref('int_changes_measured') }}
),

-- a side smaller than min_group_size keeps its counts and loses its figures
shown as (
    select
        summed.*,
        summed.nps - summed.compared_nps as raw_change,
        summed.period_end <= workspace.as_of_on as is_complete,
        summed.responses >= workspace.min_group_size as shows_score,
        summed.compared_responses >= workspace.min_group_size as shows_compared_score,
        summed.responses >= workspace.min_group_size and summed.compared_responses >= workspace.min_group_size as shows_change,
        -- effects are parts of the total's change: they are shown where that is
        summed.comparison <> 'rest_of_dimension'
        and summed.total_responses >= workspace.min_group_size
        and summed.total_compared_responses >= workspace.min_group_size as shows_effects
    from summed
    cross join {{ source('raw', 'workspace') }} as workspace
),

-- a segment without answers in one of the periods takes the other's score: its effect is all mix
decomposed as (
    select
        shown.*,
        1e0 * shown.responses / nullif(shown.total_responses, 0) as share,
        1e0 * shown.compared_responses / nullif(shown.total_compared_responses, 0) as compared_share,
        coalesce(shown.nps, shown.compared_nps) as filled_nps,
        coalesce(shown.compared_nps, shown.nps) as filled_compared_nps,
        levels.significance_level,
        levels.detectable_errors,
        case
            when not shown.shows_change then 'suppressed'
            -- whose segment is not known is no group that anybody could act on
            when shown.comparison = 'rest_of_dimension' and shown.segment = '(unknown)' then 'unknown_segment'
            when
                shown.comparison = 'rest_of_dimension'
                and least(shown.responses, shown.compared_responses) < {{ assumption('min_rest_responses') }}
                then 'too_few_answers'
            when shown.is_untestable then 'too_few_to_test'
        end as untested_because
    from shown
    cross join {{ ref('int_test_levels_listed') }} as levels
),

standardised as (
    select
        *,
        case when untested_because is null then tested_change / standard_error end as z
    from decomposed
),

tested as (
    select
        *,
        {{ two_sided_p('z') }} as p_value
    from standardised
),

{{ benjamini_hochberg('tested', 'p_value', family) }},

final as (
    select
        comparison,
        time_grain,
        period_start,
        compared_period_start,
        is_complete,
        basis,
        metric,
        survey_type,
        dimension,
        segment,
        responses,
        case when shows_score then nps end as nps,
        compared_responses,
        case when shows_compared_score then compared_nps end as compared_nps,
        case when shows_change then raw_change end as change,
        case when shows_change then tested_change end as tested_change,
        case when shows_change then standard_error end as standard_error,
        z,
        p_value,
        comparisons,
        p_adjusted,
        p_adjusted <= significance_level as is_significant,
        untested_because,
        case when shows_change then detectable_errors * standard_error end as detectable_change,
        case when shows_change and basis = 'customers' then shared_voices end as shared_voices,
        case when shows_change and basis = 'customers' then moved_voices end as moved_voices,
        case when shows_change then covariance end as covariance,
        case when shows_change then correlation end as correlation,
        case when shows_effects then (share + compared_share) / 2 * (filled_nps - filled_compared_nps) end as rate_effect,
        case when shows_effects then (filled_nps + filled_compared_nps) / 2 * (share - compared_share) end as mix_effect
    from adjusted
)

select * from final
