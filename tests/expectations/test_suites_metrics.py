"""The checks of the metrics beside NPS: for each a mistake that it alone finds."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import duckdb
import pytest
from scipy.stats import norm
from suites_support import failing_after

from expectations.suites.metrics import METRICS
from expectations.validate import validate

ALL = [(table, check) for table, checks in METRICS.items() for check in checks]
PERIODS = "marts.fct_survey_metrics_by_period"
PAIRS = "marts.metric_correlations"
GAPS = "marts.nps_benchmark_gap"


def _correlated() -> str:
    """Coefficients of 0.5 and -0.2 of 103 customers, mirrored, and one of too few."""
    rows, ps = [], []
    for r, other, back in ((0.5, "'csat', 'transactional'", "'nps', 'relational'"),):
        for metric, kpi in ((back, other), (other, back)):
            rows.append((metric, kpi, r))
    rows.append(("'nps', 'relational'", "'mrr', null", -0.2))
    for _, _, r in rows:
        ps.append(float(2 * norm.sf(abs(math.atanh(r)) * 10)))
    lines = []
    for (metric, kpi, r), p in zip(rows, ps, strict=True):
        # Benjamini and Hochberg: 3 p / 2 of the two alike, 3 p / 3 of the largest
        adjusted = min(3 * p / (2 if r == 0.5 else 3), max(ps))
        low, high = (math.tanh(math.atanh(r) + side * 1.96 / 10) for side in (-1, 1))
        lines.append(
            f"('customer', {metric}, {kpi}, 'pearson', 103, {r!r}, {low!r}, {high!r}, {p!r}, 3, "
            f"{adjusted!r}, {'true' if adjusted <= 0.05 else 'false'}, null)"
        )
    lines.append(
        "('month', 'nps', 'relational', 'tickets', null, 'pearson', 4, null, null, null, null, 0, "
        "null, null, 'too_few')"
    )
    return ", ".join(lines)


ROWS = f"""
create or replace table marts.fct_nps_by_period as
select * from (values
    ('year', date '2025-01-01', date '2025-12-31', 'customers', 'nps', 'relational', 10, 40.0, 15.0,
        8.0, 64.0, false),
    ('year', date '2025-01-01', date '2025-12-31', 'customers', 'csat', 'transactional', 1, null, null,
        null, null, true),
    ('day', date '2025-01-01', date '2025-01-01', 'customers', 'nps', 'relational', 10, 40.0, 15.0,
        8.0, 64.0, false)
) as t (time_grain, period_start, period_end, basis, metric, survey_type, responses, nps,
    standard_error, ci_low, ci_high, is_suppressed);
create table {PERIODS} as
select
    time_grain, period_start, period_end, basis, metric, 'Label' as label, survey_type, responses,
    nps as metric_value, standard_error, ci_low, ci_high, nps / 5 as mean_score,
    null::double as change, null::double as p_adjusted, 40.0 as headline_value, is_suppressed
from marts.fct_nps_by_period where time_grain = 'year';
create table {PAIRS} as
select * from (values {_correlated()}) as t (level, metric, survey_type, kpi, kpi_survey_type, method,
    n, coefficient, ci_low, ci_high, p_value, comparisons, p_adjusted, is_significant, untested_because);
create or replace table seeds.nps_benchmarks as
select 'peers' as benchmark, 2024 as year, 50.0 as score;
create table {GAPS} as
select
    'peers' as benchmark, 'nps' as metric, 'relational' as survey_type, 2025 as year, 10 as responses,
    40.0 as nps, 50.0 as benchmark_score, -10.0 as gap, 16.0 as standard_error, -41.0 as ci_low,
    21.0 as ci_high, true as has_other_year, false as is_suppressed
"""
MISTAKES = {
    "keys": f"update {PERIODS} set label = null",
    "keys grain": f"update {PERIODS} set period_end = date '2024-12-31'",
    "keys level": f"update {PAIRS} set level = 'day' where level = 'month'",
    "keys gap": f"update {GAPS} set survey_type = null",
    "scores": f"update {PERIODS} set metric_value = 41 where metric = 'nps'",
    "scores lost": f"delete from {PERIODS} where metric = 'csat'",
    "beside": f"update {PERIODS} set headline_value = 41 where metric = 'csat'",
    "beside mean": f"update {PERIODS} set mean_score = 3 where is_suppressed",
    "intervals": f"update {PAIRS} set ci_low = ci_low - 0.1 where kpi = 'mrr'",
    "intervals p": f"update {PAIRS} set p_value = 0.06, p_adjusted = 0.06, is_significant = false "
    "where kpi = 'mrr'",
    "intervals few": f"update {PAIRS} set untested_because = 'nothing_varies' where n = 4",
    "mirrored": f"update {PAIRS} set n = 104, ci_low = tanh(atanh(coefficient) - 0.19), "
    "ci_high = tanh(atanh(coefficient) + 0.19) where metric = 'csat'",
    "corrected": f"update {PAIRS} set p_adjusted = 2 * p_adjusted, is_significant = false "
    "where kpi = 'mrr'",
    "corrected level": f"update {PAIRS} set is_significant = false where metric = 'csat'",
    "gaps": f"update {GAPS} set gap = -11",
    "gaps year": f"update {GAPS} set has_other_year = false",
    "gaps error": f"update {GAPS} set standard_error = 1",
    "no_emails": f"update {GAPS} set benchmark = 'ann@mail.example'",
}
# A benchmark of another name is none of the seed's.
ALSO = {"keys gap": {"gaps"}, "no_emails": {"gaps"}}


@pytest.fixture(scope="module")
def good(good_marts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = Path(shutil.copy(good_marts, tmp_path_factory.mktemp("metrics") / "good.duckdb"))
    with duckdb.connect(str(path)) as connection:
        connection.execute(ROWS)
    return path


def test_good_tables_pass(good):
    results = validate(good, METRICS, "marts")
    assert [(r.table, r.name, r.error) for r in results if not r.success] == []


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_found_by_its_check_alone(mistake, good):
    with duckdb.connect(str(good)) as connection:
        found = {name for _, name in failing_after(connection, ALL, MISTAKES[mistake])}
    assert found == {mistake.split()[0]} | ALSO.get(mistake, set())
