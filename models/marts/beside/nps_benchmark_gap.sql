-- what customers say in a year, each once
with years as (
    select
        scored.metric,
        scored.survey_type,
        scored.period_start,
        cast(extract(year from scored.period_start) as int) as our_year,
        scored.responses,
        scored.nps,
        scored.standard_error,
        scored.is_suppressed
    from {{ ref('int_periods_scored') }} as scored
    where scored.time_grain = 'year' and scored.basis = 'customers' and scored.dimension = 'all'
),

-- how they were asked: one row for each way
asked as (
    select
        metric,
        survey_type,
        {{ period_start('year', 'responded_on') }} as period_start,
        scale,
        lower(channel) as asked_by
    from {{ ref('fct_nps_responses') }}
    group by metric, survey_type, {{ period_start('year', 'responded_on') }}, scale, lower(channel)
),

-- of each benchmark and survey type the year that is nearest to the benchmark's
ranked_years as (
    select
        benchmarks.*,
        years.survey_type as our_survey_type,
        years.period_start,
        years.our_year,
        years.responses as our_responses,
        years.nps,
        years.standard_error,
        years.is_suppressed,
        row_number() over (
            partition by benchmarks.benchmark, years.survey_type
            order by abs(years.our_year - benchmarks.year) asc nulls last, years.our_year desc nulls last
        ) as distance
    from {{ ref('nps_benchmarks') }} as benchmarks
    inner join years on benchmarks.metric = years.metric
),

nearest as (
    select * from ranked_years
    where distance = 1
),

-- whether any of our answers was asked otherwise, where the benchmark says its own way
compared as (
    select
        nearest.benchmark,
        nearest.our_survey_type,
        max(case when asked.scale <> nearest.scale then 1 else 0 end) = 1 as has_other_scale,
        max(case when asked.asked_by = lower(nearest.method) or nearest.method is null then 0 else 1 end) = 1 as has_other_method
    from nearest
    left join asked
        on
            nearest.metric = asked.metric
            and nearest.our_survey_type = asked.survey_type
            and nearest.period_start = asked.period_start
    group by nearest.benchmark, nearest.our_survey_type
),

-- The mix behind a benchmark's score is not known: its error is that of the most spread mix with the score.
-- A metric without detractors has one mix only.
measured as (
    select
        nearest.*,
        case
            when metrics.bottom_prior > 0 then sqrt((10000 - power(nearest.score, 2)) / nullif(nearest.responses, 0))
            else sqrt(nearest.score * (100 - nearest.score) / nullif(nearest.responses, 0))
        end as benchmark_error,
        compared.has_other_scale,
        coalesce(nearest.survey_type <> nearest.our_survey_type, false) as has_other_survey_type,
        compared.has_other_method,
        nearest.year <> nearest.our_year as has_other_year
    from nearest
    inner join {{ ref('metrics') }} as metrics on nearest.metric = metrics.metric
    inner join compared on nearest.benchmark = compared.benchmark and nearest.our_survey_type = compared.our_survey_type
),

summed as (
    select
        *,
        case when not is_suppressed then sqrt(power(standard_error, 2) + coalesce(power(benchmark_error, 2), 0)) end as gap_error,
        {{ assumption('confidence_z') }} as z
    from measured
)

select
    summed.benchmark,
    summed.metric,
    summed.our_survey_type as survey_type,
    summed.our_year as year,
    summed.our_responses as responses,
    summed.nps,
    summed.score as benchmark_score,
    summed.percentile,
    summed.nps - summed.score as gap,
    summed.gap_error as standard_error,
    summed.nps - summed.score - summed.z * summed.gap_error as ci_low,
    summed.nps - summed.score + summed.z * summed.gap_error as ci_high,
    summed.benchmark_error is not null as has_benchmark_error,
    summed.has_other_scale,
    summed.has_other_survey_type,
    summed.has_other_method,
    summed.has_other_year,
    summed.source,
    summed.year as benchmark_year,
    summed.method,
    summed.region,
    summed.population,
    summed.is_suppressed
from summed
