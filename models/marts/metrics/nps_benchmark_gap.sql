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

-- of how they were asked: one row for each way
asked as (
    select
        metric,
        survey_type,
        {{ period_start('year', 'responded_on') }} as period_start,
        scale,
        lower(channel) as channel,
        count(*) as answers
    from {{ ref('fct_nps_responses') }}
    group by metric, survey_type, {{ period_start('year', 'responded_on') }}, scale, lower(channel)
),

-- of each benchmark and survey type the year that is nearest to the benchmark's
nearest as (
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

-- a difference of the ways, where the benchmark says its own
compared as (
    select
        nearest.benchmark,
        nearest.our_survey_type,
        count(case when asked.scale <> nearest.scale then 1 end) > 0 as has_other_scale,
        count(case when asked.channel is null or asked.channel <> lower(nearest.method) then 1 end) > 0
        and nearest.method is not null as has_other_method
    from nearest
    left join asked
        on
            nearest.metric = asked.metric
            and nearest.our_survey_type = asked.survey_type
            and nearest.period_start = asked.period_start
    where nearest.distance = 1
    group by nearest.benchmark, nearest.our_survey_type, nearest.method
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
        nullif(concat_ws(
            ', ',
            case when compared.has_other_scale then 'scale' end,
            case when nearest.survey_type <> nearest.our_survey_type then 'survey_type' end,
            case when compared.has_other_method then 'method' end,
            case when nearest.year <> nearest.our_year then 'year' end
        ), '') as differs_in
    from nearest
    inner join {{ ref('metrics') }} as metrics on nearest.metric = metrics.metric
    inner join compared on nearest.benchmark = compared.benchmark and nearest.our_survey_type = compared.our_survey_type
    where nearest.distance = 1
),

final as (
    select
        benchmark,
        metric,
        our_survey_type as survey_type,
        our_year as year,
        our_responses as responses,
        nps,
        score as benchmark_score,
        cast(percentile as double) as percentile,
        nps - score as gap,
        case when not is_suppressed then sqrt(power(standard_error, 2) + coalesce(power(benchmark_error, 2), 0)) end as standard_error,
        benchmark_error is not null as has_benchmark_error,
        differs_in,
        source,
        year as benchmark_year,
        method,
        region,
        population,
        is_suppressed
    from measured
)

select
    final.benchmark,
    final.metric,
    final.survey_type,
    final.year,
    final.responses,
    final.nps,
    final.benchmark_score,
    final.percentile,
    final.gap,
    final.standard_error,
    final.gap - {{ assumption('confidence_z') }} * final.standard_error as ci_low,
    final.gap + {{ assumption('confidence_z') }} * final.standard_error as ci_high,
    final.has_benchmark_error,
    final.differs_in,
    final.source,
    final.benchmark_year,
    final.method,
    final.region,
    final.population,
    final.is_suppressed
from final
