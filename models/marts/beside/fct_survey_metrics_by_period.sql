{%- set cell = ['time_grain', 'period_start', 'basis', 'metric', 'survey_type'] -%}

with scored as (
    select * from {{ ref('int_periods_scored') }}
    where dimension = 'all' and time_grain not in ('day', 'week')
),

raw_scores as (
    select
        {{ cell | join(', ') }},
        1e0 * sum(score * responses) / sum(responses) as mean_score
    from {{ ref('fct_nps_score_histogram') }}
    where dimension = 'all'
    group by {{ cell | join(', ') }}
),

changes as (
    select
        {{ cell | join(', ') }},
        change,
        p_adjusted
    from {{ ref('nps_change_significance') }}
    where comparison = 'previous_period' and dimension = 'all'
),

-- the score that everybody knows, beside every other
headlines as (
    select
        scored.time_grain,
        scored.period_start,
        scored.basis,
        scored.nps
    from scored
    inner join {{ source('raw', 'workspace') }} as workspace
        on scored.metric = workspace.headline_metric and scored.survey_type = workspace.headline_survey_type
    -- the whole history of each metric has a beginning of its own
    where scored.time_grain <> 'all'
)

select
    scored.time_grain,
    scored.period_start,
    scored.period_end,
    scored.basis,
    scored.metric,
    metrics.label,
    scored.survey_type,
    scored.responses,
    scored.nps as metric_value,
    scored.standard_error,
    scored.ci_low,
    scored.ci_high,
    case when not scored.is_suppressed then raw_scores.mean_score end as mean_score,
    changes.change,
    changes.p_adjusted,
    headlines.nps as headline_value,
    scored.is_suppressed
from scored
inner join {{ ref('metrics') }} as metrics on scored.metric = metrics.metric
left join raw_scores
    on
        {%- for column in cell %}
        scored.{{ column }} = raw_scores.{{ column }}{{ ' and' if not loop.last }}
        {%- endfor %}
left join changes
    on
        {%- for column in cell %}
        scored.{{ column }} = changes.{{ column }}{{ ' and' if not loop.last }}
        {%- endfor %}
left join headlines
    on
        scored.time_grain = headlines.time_grain
        and scored.period_start = headlines.period_start
        and scored.basis = headlines.basis
