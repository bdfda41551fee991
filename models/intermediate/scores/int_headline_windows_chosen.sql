-- The shortest window from the declared one up that holds enough voices; without one, all of history.
with series as (
    select
        metric,
        survey_type,
        period_start as first_on
    from {{ ref('int_periods_scored') }}
    where time_grain = 'all' and basis = 'customers' and dimension = 'all'
),

-- whoever has entered a window by as_of and not left it
fitting as (
    select
        changes.metric,
        changes.survey_type,
        changes.window_days
    from {{ ref('int_rolling_changes_counted') }} as changes
    inner join {{ source('raw', 'workspace') }} as workspace on changes.changed_on <= workspace.as_of_on
    where changes.dimension = 'all' and changes.window_days >= workspace.headline_window_days
    group by changes.metric, changes.survey_type, changes.window_days
    having sum(changes.promoters_change + changes.passives_change + changes.detractors_change) >= {{ assumption('min_headline_voices') }}
)

select
    series.metric,
    series.survey_type,
    min(fitting.window_days) as window_days,
    workspace.headline_window_days as declared_window_days,
    workspace.as_of_on,
    series.first_on
from series
cross join {{ source('raw', 'workspace') }} as workspace
left join fitting on series.metric = fitting.metric and series.survey_type = fitting.survey_type
group by series.metric, series.survey_type, workspace.headline_window_days, workspace.as_of_on, series.first_on
