{%- set comparisons = ['previous_window', 'year_before'] -%}
{%- set figures = ['ends_on', 'responses', 'nps', 'change', 'tested_change', 'standard_error', 'p_value', 'is_significant', 'untested_because', 'detectable_change', 'shared_voices', 'moved_voices'] -%}

with windows as (
    select * from {{ ref('int_headline_windows_chosen') }}
),

counts as (
    select
        metric,
        survey_type,
        answers,
        promoters,
        passives,
        detractors,
        1e0 * answers * answers / squared_answers as effective_voices
    from {{ ref('int_headline_voices_paired') }}
    where comparison = '{{ comparisons[0] }}'
),

{{ score_counts('counts') }},

-- by the workspace's first segment, as if its segments had answered in the proportions of the base
weighted as (
    select
        rolling.metric,
        rolling.survey_type,
        rolling.dimension as weighted_by,
        {{ exact_sum('base.customers * ' ~ nps('rolling.promoters', 'rolling.passives', 'rolling.detractors')) }} / sum(base.customers) as weighted_nps
    from {{ ref('fct_nps_rolling') }} as rolling
    inner join windows
        on
            rolling.metric = windows.metric
            and rolling.survey_type = windows.survey_type
            and rolling.window_days = windows.window_days
            and rolling.as_of_on = windows.as_of_on
    inner join {{ source('raw', 'segments') }} as segments on rolling.dimension = segments.published_name and segments.position = 1
    inner join {{ ref('int_customer_base_counted') }} as base
        on
            rolling.as_of_on = base.as_of_on
            and rolling.dimension = base.dimension
            and rolling.segment = base.segment
    group by rolling.metric, rolling.survey_type, rolling.dimension
),

final as (
    select
        scored.metric,
        scored.survey_type,
        windows.declared_window_days,
        windows.window_days,
        case when windows.window_days is null then windows.first_on else {{ days_after('windows.as_of_on', '1 - windows.window_days') }} end as starts_on,
        windows.as_of_on as ends_on,
        scored.responses,
        scored.promoters,
        scored.passives,
        scored.detractors,
        scored.nps,
        scored.standard_error,
        scored.ci_low,
        scored.ci_high,
        scored.is_suppressed,
        scored.answers,
        scored.effective_voices,
        scored.effective_voices < {{ assumption('min_effective_voices') }} * scored.answers as is_carried_by_few
        {%- for comparison in comparisons %}
        {%- for figure in figures %},
        {{ comparison }}.{{ figure }} as {{ comparison }}_{{ figure }}
        {%- endfor %}
        {%- endfor %},
        {{ assumption('significance_level') }} as significance_level,
        case when not scored.is_suppressed then weighted.weighted_by end as weighted_by,
        case when not scored.is_suppressed then weighted.weighted_nps end as weighted_nps,
        whole.responses as all_time_responses,
        whole.nps as all_time_nps,
        whole.ci_low as all_time_ci_low,
        whole.ci_high as all_time_ci_high
    from scored
    inner join windows on scored.metric = windows.metric and scored.survey_type = windows.survey_type
    inner join {{ ref('int_periods_scored') }} as whole
        on
            scored.metric = whole.metric
            and scored.survey_type = whole.survey_type
            and whole.time_grain = 'all'
            and whole.basis = 'customers'
            and whole.dimension = 'all'
    left join weighted on scored.metric = weighted.metric and scored.survey_type = weighted.survey_type
    {%- for comparison in comparisons %}
    left join {{ ref('int_headline_changes_tested') }} as {{ comparison }}
        on
            scored.metric = {{ comparison }}.metric
            and scored.survey_type = {{ comparison }}.survey_type
            and {{ comparison }}.comparison = '{{ comparison }}'
    {%- endfor %}
)

select * from final
