{%- set sides = ['', 'compared_'] -%}
{%- set classes = ['promoters', 'passives', 'detractors'] -%}
{%- set priors = {'promoters': 'top', 'passives': 'middle', 'detractors': 'bottom'} -%}

with counted as (
    select
        paired.*,
        workspace.min_group_size,
        paired.period_end <= workspace.as_of_on as is_complete,
        metrics.top_prior_of_two,
        metrics.middle_prior_of_two,
        metrics.bottom_prior_of_two,
        {{ assumption('confidence_z') }} as z
        {%- for side in sides %},
        paired.{{ side }}promoters + paired.{{ side }}passives + paired.{{ side }}detractors as {{ side }}responses,
        paired.{{ side }}all_promoters + paired.{{ side }}all_passives + paired.{{ side }}all_detractors as {{ side }}all_responses
        {%- for class in classes %},
        paired.{{ side }}all_{{ class }} - paired.{{ side }}{{ class }} as {{ side }}rest_{{ class }}
        {%- endfor %}
        {%- endfor %}
    from {{ ref('int_theme_periods_paired') }} as paired
    inner join {{ ref('metrics') }} as metrics on paired.metric = metrics.metric
    cross join {{ source('raw', 'workspace') }} as workspace
),

-- what answers naming the theme score apart from the others, after adding the priors of two groups; and
-- their share, after adding z^2 answers, half of which name it (Agresti and Coull 1998)
spread as (
    select
        *
        {%- for side in sides %},
        1e0 * {{ side }}responses / nullif({{ side }}all_responses, 0) as {{ side }}share,
        1e0 * ({{ side }}responses + z * z / 2) / ({{ side }}all_responses + z * z) as {{ side }}adjusted_share
        {%- for part in ['', 'rest_'] %}
        {%- set adjusted = [] %}
        {%- for class in classes %}
        {%- do adjusted.append('(' ~ side ~ part ~ class ~ ' + ' ~ priors[class] ~ '_prior_of_two)') %}
        {%- endfor %},
        {{ nps(adjusted[0], adjusted[1], adjusted[2]) }} as {{ side }}{{ part }}adjusted_nps,
        {{ nps_standard_error(adjusted[0], adjusted[1], adjusted[2]) }} as {{ side }}{{ part }}error
        {%- endfor %},
        {{ side }}all_responses - {{ side }}responses >= min_group_size as {{ side }}shows_impact
        {%- endfor %}
    from counted
),

-- NPS(all) - NPS(without) is share * gap: its variance is that of a product (delta method)
measured as (
    select
        *
        {%- for side in sides %}
        {%- set gap = '(' ~ side ~ 'adjusted_nps - ' ~ side ~ 'rest_adjusted_nps)' %},
        {{ nps(side ~ 'all_promoters', side ~ 'all_passives', side ~ 'all_detractors') }}
        - {{ nps(side ~ 'rest_promoters', side ~ 'rest_passives', side ~ 'rest_detractors') }} as {{ side }}impact,
        {{ side }}adjusted_share * {{ gap }} as {{ side }}tested_impact,
        sqrt(
            {{ side }}adjusted_share * {{ side }}adjusted_share * ({{ side }}error * {{ side }}error + {{ side }}rest_error * {{ side }}rest_error)
            + {{ gap }} * {{ gap }} * {{ side }}adjusted_share * (1 - {{ side }}adjusted_share) / ({{ side }}all_responses + z * z)
        ) as {{ side }}impact_error
        {%- endfor %},
        responses < min_group_size as is_suppressed,
        {{ nps('promoters', 'passives', 'detractors') }} as nps
    from spread
),

tested as (
    select
        *,
        case
            when shows_impact and compared_shows_impact
                then {{ two_sided_p('((tested_impact - compared_tested_impact) / nullif(sqrt(impact_error * impact_error + compared_impact_error * compared_impact_error), 0))') }}
        end as p_value
    from measured
),

{{ benjamini_hochberg('tested', 'p_value', ['time_grain', 'period_start', 'basis', 'metric', 'survey_type', 'dimension']) }}

select
    time_grain,
    period_start,
    period_end,
    is_complete,
    basis,
    metric,
    survey_type,
    dimension,
    segment,
    theme,
    method,
    responses,
    promoters,
    passives,
    detractors,
    all_responses,
    share,
    case when not is_suppressed then nps end as nps,
    case when shows_impact then impact end as impact,
    case when shows_impact then tested_impact - z * impact_error end as impact_ci_low,
    case when shows_impact then tested_impact + z * impact_error end as impact_ci_high,
    case when all_responses >= min_group_size then 100e0 * (promoters - detractors) / all_responses end as additive_impact,
    case when all_responses >= min_group_size then 1e0 * detractors / nullif(all_detractors, 0) end as driver_share,
    case when not is_suppressed then round(cast(mrr as double), 6) end as mrr,
    compared_period_start,
    compared_responses,
    compared_all_responses,
    case when compared_shows_impact then compared_impact end as compared_impact,
    case when shows_impact and compared_shows_impact then impact - compared_impact end as impact_change,
    p_value,
    comparisons,
    p_adjusted,
    p_adjusted <= {{ assumption('significance_level') }} as is_significant,
    is_suppressed
from adjusted
