-- The scores of a cell add up to its promoters, passives and detractors, in both bases.
with classes as (
    select distinct
        metric,
        nps_class,
        contribution
    from {{ ref('metric_scales') }}
),

bars as (
    select
        histogram.time_grain,
        histogram.period_start,
        histogram.basis,
        histogram.metric,
        histogram.survey_type,
        histogram.dimension,
        histogram.segment,
        sum(case when classes.contribution > 0 then histogram.responses else 0 end) as promoters,
        sum(case when classes.contribution = 0 then histogram.responses else 0 end) as passives,
        sum(case when classes.contribution < 0 then histogram.responses else 0 end) as detractors
    from {{ ref('fct_nps_score_histogram') }} as histogram
    inner join classes
        on histogram.metric = classes.metric and histogram.nps_class = classes.nps_class
    group by
        histogram.time_grain, histogram.period_start, histogram.basis, histogram.metric, histogram.survey_type,
        histogram.dimension, histogram.segment
),

cells as (
    select
        time_grain,
        period_start,
        basis,
        metric,
        survey_type,
        dimension,
        segment,
        promoters,
        passives,
        detractors
    from {{ ref('fct_nps_by_segment_period') }}
    where time_grain not in ('day', 'week')

    union all

    select
        time_grain,
        period_start,
        basis,
        metric,
        survey_type,
        'all' as dimension,
        'all' as segment,
        promoters,
        passives,
        detractors
    from {{ ref('fct_nps_by_period') }}
    where time_grain not in ('day', 'week')
)

select
    cells.*,
    bars.promoters as promoters_of_bars
from cells
full outer join bars
    on
        cells.time_grain = bars.time_grain
        and cells.period_start = bars.period_start
        and cells.basis = bars.basis
        and cells.metric = bars.metric
        and cells.survey_type = bars.survey_type
        and cells.dimension = bars.dimension
        and cells.segment = bars.segment
where
    cells.promoters is distinct from bars.promoters
    or cells.passives is distinct from bars.passives
    or cells.detractors is distinct from bars.detractors
