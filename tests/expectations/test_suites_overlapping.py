"""The checks of scores by attributes of several values: for each a mistake that it alone finds."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest
from suites_support import failing_after

from expectations.suites.overlapping import OVERLAPPING
from expectations.validate import validate

ALL = [(table, check) for table, checks in OVERLAPPING.items() for check in checks]
TABLE = "marts.fct_nps_by_value_period"
# Of the total of each period: one answer in two segments, all others in one.
GOOD = f"""
create or replace table raw.split_attributes as select 'products' as attribute;
create table {TABLE} as
with total as (
    select * from marts.fct_nps_by_period where time_grain in ('year', 'all') and responses > 2
),

parts as (
    select *, 'Mail' as segment, 1::bigint as shared, promoters as p, passives as n, detractors as d
    from total
    union all
    select
        *, 'Drive' as segment, 1::bigint as shared,
        case when promoters > 0 then 1 else 0 end as p,
        case when promoters = 0 and passives > 0 then 1 else 0 end as n,
        case when promoters = 0 and passives = 0 then 1 else 0 end as d
    from total
)

select
    time_grain, period_start, period_end, basis, metric, survey_type, 'products' as dimension, segment,
    p + n + d as responses, shared as shared_responses, true as parts_overlap,
    p as promoters, n as passives, d as detractors,
    case when p + n + d > 1 then 100e0 * (p - d) / (p + n + d) end as nps,
    standard_error, ci_low, ci_high, p + n + d < 2 as is_suppressed
from parts
"""
MISTAKES = {
    "keys": f"update {TABLE} set period_end = null",
    "keys order": f"update {TABLE} set period_end = period_start - 1",
    "keys attribute": f"update {TABLE} set dimension = 'plan'",
    "keys shared": f"update {TABLE} set shared_responses = -1 where segment = 'Drive'; "
    f"update {TABLE} set shared_responses = 3 where segment = 'Mail'",
    "keys suppressed": f"update {TABLE} set nps = 100 where is_suppressed",
    "overlap": f"delete from {TABLE} where segment = 'Mail'",
    "overlap unsaid": f"update {TABLE} set parts_overlap = false",
    "overlap of none": f"update {TABLE} set shared_responses = 0, parts_overlap = false",
    "no_emails": f"update {TABLE} set segment = 'ann@mail.example' where segment = 'Drive'",
}


@pytest.fixture(scope="module")
def good(good_marts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = Path(shutil.copy(good_marts, tmp_path_factory.mktemp("values") / "good.duckdb"))
    with duckdb.connect(str(path)) as connection:
        connection.execute("update raw.workspace set min_group_size = 2")
        connection.execute(GOOD)
        ((count,),) = connection.execute(f"select count(*) from {TABLE}").fetchall()
    assert count >= 4
    return path


def test_good_scores_pass(good):
    results = validate(good, OVERLAPPING, "marts")
    assert [(r.table, r.name, r.error) for r in results if not r.success] == []


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_found_by_its_check_alone(mistake, good):
    with duckdb.connect(str(good)) as connection:
        found = {name for _, name in failing_after(connection, ALL, MISTAKES[mistake])}
    assert found == {mistake.split()[0]}


def test_every_check_can_fail():
    assert {check.name for _, check in ALL} == {mistake.split()[0] for mistake in MISTAKES}
