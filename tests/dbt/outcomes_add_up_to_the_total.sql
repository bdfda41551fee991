-- A dimension's segments add up to the total of their basis, class and window.
with segments as (
    select
        basis,
        metric,
        survey_type,
        nps_class,
        window_days,
        dimension,
        sum(customers) as customers,
        sum(observed) as observed,
        sum(churned) as churned
    from {{ ref('nps_outcomes_by_class') }}
    where dimension <> 'all'
    group by basis, metric, survey_type, nps_class, window_days, dimension
),

totals as (
    select * from {{ ref('nps_outcomes_by_class') }}
    where dimension = 'all'
)

select segments.*
from segments
left join totals
    on
        segments.basis = totals.basis
        and segments.metric = totals.metric
        and segments.survey_type = totals.survey_type
        and segments.nps_class = totals.nps_class
        and segments.window_days = totals.window_days
where
    totals.customers is null
    or segments.customers <> totals.customers
    or segments.observed <> totals.observed
    or segments.churned <> totals.churned
