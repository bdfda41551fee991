{%- set family = ['comparison', 'time_grain', 'period_start', 'basis', 'metric', 'survey_type', 'dimension'] -%}

-- scores as they are for show, with their priors for the test
with scored as (
    select
        pairs.*,
        pairs.promoters + pairs.passives + pairs.detractors as responses,
        pairs.compared_promoters + pairs.compared_passives + pairs.compared_detractors as compared_responses,
        {{ nps('promoters', 'passives', 'detractors') }} as raw_nps,
        {{ nps('compared_promoters', 'compared_passives', 'compared_detractors') }} as raw_compared_nps
        {%- for side in ['', 'compared_'] %}
        {%- for class, prior in [('promoters', 'top'), ('passives', 'middle'), ('detractors', 'bottom')] %},
        pairs.{{ side }}{{ class }} + metrics.{{ prior }}_prior_of_two as adjusted_{{ side }}{{ class }}
        {%- endfor %}
        {%- endfor %}
    from {{ ref('int_periods_compared') }} as pairs
    inner join {{ ref('metrics') }} as metrics on pairs.metric = metrics.metric
),

compared as (
    select
        *,
        raw_nps - raw_compared_nps as raw_change,
        {{ nps('adjusted_promoters', 'adjusted_passives', 'adjusted_detractors') }}
        - {{ nps('adjusted_compared_promoters', 'adjusted_compared_passives', 'adjusted_compared_detractors') }} as adjusted_change,
        sqrt(
            power({{ nps_standard_error('adjusted_promoters', 'adjusted_passives', 'adjusted_detractors') }}, 2)
            + power({{ nps_standard_error('adjusted_compared_promoters', 'adjusted_compared_passives', 'adjusted_compared_detractors') }}, 2)
        ) as standard_error_of_change,
        sum(responses) over (partition by {{ family | join(', ') }}) as total_responses,
        sum(compared_responses) over (partition by {{ family | join(', ') }}) as total_compared_responses
    from scored
),

-- a side smaller than min_group_size keeps its counts and loses its figures
shown as (
    select
        compared.*,
        compared.period_end <= workspace.as_of_on as is_complete,
        compared.responses >= workspace.min_group_size as shows_score,
        compared.compared_responses >= workspace.min_group_size as shows_compared_score,
        compared.responses >= workspace.min_group_size and compared.compared_responses >= workspace.min_group_size as shows_change,
        -- effects are parts of the total's change: they are shown where that is
        compared.comparison = 'previous_period'
        and compared.total_responses >= workspace.min_group_size
        and compared.total_compared_responses >= workspace.min_group_size as shows_effects
    from compared
    cross join {{ source('raw', 'workspace') }} as workspace
),

-- a segment without answers in one of the periods takes the other's score: its effect is all mix
decomposed as (
    select
        *,
        case when shows_change then adjusted_change / nullif(standard_error_of_change, 0) end as z,
        1e0 * responses / nullif(total_responses, 0) as share,
        1e0 * compared_responses / nullif(total_compared_responses, 0) as compared_share,
        coalesce(raw_nps, raw_compared_nps) as filled_nps,
        coalesce(raw_compared_nps, raw_nps) as filled_compared_nps
    from shown
),

tested as (
    select
        *,
        {{ two_sided_p('z') }} as p_value
    from decomposed
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
        case when shows_score then raw_nps end as nps,
        compared_responses,
        case when shows_compared_score then raw_compared_nps end as compared_nps,
        case when shows_change then raw_change end as change,
        case when shows_change then standard_error_of_change end as standard_error,
        z,
        p_value,
        comparisons,
        p_adjusted,
        p_adjusted <= {{ assumption('significance_level') }} as is_significant,
        case when shows_effects then (share + compared_share) / 2 * (filled_nps - filled_compared_nps) end as rate_effect,
        case when shows_effects then (filled_nps + filled_compared_nps) / 2 * (share - compared_share) end as mix_effect
    from adjusted
)

select * from final
