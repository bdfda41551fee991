"""The checks of eNPS by department: for each a mistake that it alone finds."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest
from suites_support import failing_after

from expectations.suites.employees import EMPLOYEES
from expectations.validate import validate

ALL = [(table, check) for table, checks in EMPLOYEES.items() for check in checks]
TABLE = "marts.enps_by_department"
SEEDS = Path(__file__).parents[2] / "seeds"
# At least 2: Support (4) and Sales (3) are shown, Product (2) and Legal (1) are withheld; in the next
# quarter Support answered alone.
ROWS = f"""
insert into marts.fct_nps_by_period by name
select
    'quarter' as time_grain, period_start, 'customers' as basis, 'enps' as metric,
    'staff' as survey_type, responses, promoters, passives, detractors
from (values
    (date '2025-07-01', 10::bigint, 5::bigint, 2::bigint, 3::bigint),
    (date '2025-10-01', 2, 1, 1, 0)
) as t (period_start, responses, promoters, passives, detractors);
create table {TABLE} as
select
    'quarter' as time_grain, *, (period_start + interval 3 months)::date - 1 as period_end,
    'enps' as metric, 'staff' as survey_type, responses is null as is_suppressed
from (values
    (date '2025-07-01', 'Support', 4::bigint, 2::bigint, 1::bigint, 1::bigint, 25.0::double,
        41.5::double, -50.0::double, 80.0::double),
    (date '2025-07-01', 'Sales', 3, 2, 0, 1, 100 / 3::double, 54.4, -60, 90),
    (date '2025-07-01', 'Product', null, null, null, null, null, null, null, null),
    (date '2025-07-01', 'Legal', null, null, null, null, null, null, null, null),
    (date '2025-10-01', 'Support', 2, 1, 1, 0, 50, 35.4, -30, 95)
) as t (period_start, department, responses, promoters, passives, detractors, nps, standard_error,
    ci_low, ci_high);
"""
SALES = "where department = 'Sales'"
LEGAL = "where department = 'Legal'"
MISTAKES = {
    "keys twice": f"update {TABLE} set department = 'Legal' where department = 'Product'",
    "keys customers": f"update {TABLE} set time_grain = 'month' {SALES}",
    "keys running": "update raw.workspace set as_of_on = date '2025-12-30'",
    "figures count": f"update {TABLE} set promoters = 1 {LEGAL}",
    "figures score": f"update {TABLE} set nps = 30 {SALES}",
    "figures interval": f"update {TABLE} set ci_low = null {SALES}",
    "figures few": "update raw.workspace set min_group_size = 3; "
    f"delete from {TABLE} where is_suppressed",
    "hidden alone": f"delete from {TABLE} {LEGAL}",
    "hidden group": "update marts.fct_nps_by_period set responses = 9, promoters = 4 "
    "where metric = 'enps' and responses = 10",
    "hidden classes": "update marts.fct_nps_by_period set promoters = 4, passives = 1, "
    "detractors = 5 where metric = 'enps' and responses = 10",
    "hidden total": "delete from marts.fct_nps_by_period where metric = 'enps'",
    "no_emails": f"update {TABLE} set department = 'ann@mail.example' {LEGAL}",
}


@pytest.fixture(scope="module")
def good(good_marts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = Path(shutil.copy(good_marts, tmp_path_factory.mktemp("employees") / "good.duckdb"))
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            f"create table seeds.metrics as from read_csv('{SEEDS / 'metrics'}.csv')"
        )
        connection.execute(ROWS)
    return path


def test_good_departments_pass(good):
    results = validate(good, EMPLOYEES, "marts")
    assert [(r.table, r.name, r.error) for r in results if not r.success] == []


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_found_by_its_check_alone(mistake, good):
    with duckdb.connect(str(good)) as connection:
        found = {name for _, name in failing_after(connection, ALL, MISTAKES[mistake])}
    assert found == {mistake.split()[0]}


def test_every_check_can_fail():
    assert {check.name for _, check in ALL} == {mistake.split()[0] for mistake in MISTAKES}
