"""Checks of the metrics beside NPS: by period, correlated with it, and compared with benchmarks."""

from __future__ import annotations

from expectations import Check, no_rows
from expectations.suites.common import (
    TOLERANCE,
    assumed,
    corrected,
    grains,
    keys,
    no_emails,
    p_value_is_wrong,
)

_CELL = ("time_grain", "period_start", "basis", "metric", "survey_type")
_SAME_CELL = " and ".join(f"t.{name} = p.{name}" for name in _CELL)

# How many standard errors a coefficient is from 0, on Fisher's scale; 0 of three and fewer.
_ROOT = """abs(atanh(t.coefficient)) * sqrt(
    greatest(t.n - 3, 0)
    / (1 + case t.method when 'spearman' then t.coefficient ** 2 / 2 else 0 end)
)"""

METRICS: dict[str, tuple[Check, ...]] = {
    "fct_survey_metrics_by_period": (
        keys(
            "keys",
            ", ".join(_CELL),
            also=f"""
                t.label is null or t.period_end < t.period_start
                or t.time_grain not in ({grains("month", "quarter", "year", "all")})""",
            why="A metric of a period and basis has one row.",
        ),
        no_rows(
            "scores",
            f"""
            select 1 from {{batch}} as t
            full join (
                select * from marts.fct_nps_by_period where time_grain not in ('day', 'week')
            ) as p on {_SAME_CELL}
            where t.responses is distinct from p.responses
                or t.metric_value is distinct from p.nps
                or t.ci_low is distinct from p.ci_low
                or t.ci_high is distinct from p.ci_high
                or t.is_suppressed is distinct from p.is_suppressed
            """,
            why="A metric's value is that of fct_nps_by_period.",
        ),
        no_rows(
            "beside",
            """
            select 1 from {batch} as t
            cross join raw.workspace as w
            left join marts.fct_nps_by_period as p
                on t.time_grain = p.time_grain and t.period_start = p.period_start
                and t.basis = p.basis and p.metric = w.headline_metric
                and p.survey_type = w.headline_survey_type
            where t.headline_value is distinct from case when t.time_grain <> 'all' then p.nps end
                or (t.mean_score is null) <> t.is_suppressed
                or (t.p_adjusted is not null and t.change is null)
                or t.p_adjusted not between 0 and 1
            """,
            why="Beside each metric stands the headline of the same period.",
        ),
    ),
    "metric_correlations": (
        no_rows(
            "keys",
            """
            select 1 from {batch}
            group by level, metric, survey_type, kpi, kpi_survey_type, method
            having count(*) > 1
            union all
            select 1 from {batch} as t
            where t.level not in ('customer', 'month') or t.method not in ('pearson', 'spearman')
                or t.metric is null or t.survey_type is null or t.kpi is null or t.n < 1
                or t.level is null or t.method is null
            """,
            why="Two measures have one coefficient of each method and level.",
        ),
        no_rows(
            "intervals",
            f"""
            select 1 from {{batch}} as t
            where abs(t.coefficient) > 1 + {TOLERANCE}
                or (t.untested_because is null) <> coalesce(t.ci_low < t.coefficient
                    and t.coefficient < t.ci_high and t.ci_low > -1 and t.ci_high < 1
                    and t.p_value is not null, false)
                or (t.untested_because = 'too_few') <> (t.n < greatest(
                    (select min_group_size from raw.workspace), {assumed("min_correlated")}))
                -- on Fisher's scale the coefficient is in the middle
                or abs(atanh(t.ci_low) + atanh(t.ci_high) - 2 * atanh(t.coefficient)) > {TOLERANCE}
                or {p_value_is_wrong(_ROOT)}
            """,
            why="A coefficient lies within its interval, or says why it has none.",
        ),
        no_rows(
            "mirrored",
            f"""
            select 1 from {{batch}} as t
            left join {{batch}} as o
                on t.level = o.level and t.method = o.method and t.metric = o.kpi
                and t.survey_type = o.kpi_survey_type and t.kpi = o.metric
                and t.kpi_survey_type = o.survey_type
            where t.kpi_survey_type is not null
                and (t.n is distinct from o.n or (t.coefficient is null) <> (o.coefficient is null)
                    or abs(t.coefficient - o.coefficient) > {TOLERANCE})
            """,
            scope="table",
            why="Two metrics go with each other alike, whichever is named first.",
        ),
        corrected("level, method"),
    ),
    "nps_benchmark_gap": (
        keys("keys", "benchmark, survey_type", why="A benchmark has one row for each survey type."),
        no_rows(
            "gaps",
            f"""
            select 1 from {{batch}} as t
            left join marts.fct_nps_by_period as p
                on p.time_grain = 'year' and p.basis = 'customers' and t.metric = p.metric
                and t.survey_type = p.survey_type and t.year = year(p.period_start)
            left join seeds.nps_benchmarks as b on t.benchmark = b.benchmark
            where b.benchmark is null or t.responses is distinct from p.responses
                or t.nps is distinct from p.nps or t.benchmark_score is distinct from b.score
                or abs(t.gap - (t.nps - b.score)) > {TOLERANCE}
                or (t.ci_low is null) <> t.is_suppressed
                or t.standard_error < p.standard_error - {TOLERANCE}
                or t.has_other_year is distinct from (b.year <> t.year)
            """,
            scope="table",
            why="A gap is our score of its year less the benchmark's.",
        ),
        no_emails(),
    ),
}
