"""The checks of delivered counts: for each a mistake that it alone finds."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest
from suites_support import failing_after

from expectations.suites.summaries import SUMMARIES
from expectations.validate import validate

ALL = [(table, check) for table, checks in SUMMARIES.items() for check in checks]
TABLE = "marts.nps_score_summaries"
# 50 of 100 less 20 of 100 is 30; of two answers the figures are suppressed
ROWS = """
create table marts.nps_score_summaries as
select * from (values
    ('board', 'nps', 'relational', date '2025-01-01', date '2025-03-31', 'all', 'all',
        100::bigint, 50::bigint, 30::bigint, 20::bigint, 30.0::double, 7.7::double, 14.1::double,
        44.2::double, false),
    ('board', 'nps', 'relational', date '2025-01-01', null, 'country', 'NL',
        1, 1, 0, 0, null, null, null, null, true)
) as t (source, metric, survey_type, period_start, period_end, dimension, segment, responses,
    promoters, passives, detractors, nps, standard_error, ci_low, ci_high, is_suppressed)
"""
MISTAKES = {
    "keys": f"update {TABLE} set metric = null",
    "keys twice": f"insert into {TABLE} from {TABLE}",
    "figures order": f"update {TABLE} set period_end = date '2024-12-31'",
    "figures counts": f"update {TABLE} set responses = 101 where not is_suppressed",
    "figures score": f"update {TABLE} set nps = 31 where not is_suppressed",
    "figures shown": f"update {TABLE} set nps = 100 where is_suppressed",
    "figures hidden": f"update {TABLE} set nps = null, is_suppressed = true",
    "figures interval": f"update {TABLE} set ci_low = null",
    "no_emails": f"update {TABLE} set segment = 'ann@mail.example' where dimension = 'country'",
}


@pytest.fixture(scope="module")
def good(good_marts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = Path(shutil.copy(good_marts, tmp_path_factory.mktemp("summaries") / "good.duckdb"))
    with duckdb.connect(str(path)) as connection:
        connection.execute(ROWS)
        connection.execute("update raw.workspace set min_group_size = 2")
    return path


def test_good_counts_pass(good):
    results = validate(good, SUMMARIES, "marts")
    assert [(r.table, r.name, r.error) for r in results if not r.success] == []


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_found_by_its_check_alone(mistake, good):
    with duckdb.connect(str(good)) as connection:
        found = {name for _, name in failing_after(connection, ALL, MISTAKES[mistake])}
    assert found == {mistake.split()[0]}


def test_every_check_can_fail():
    assert {check.name for _, check in ALL} == {mistake.split()[0] for mistake in MISTAKES}
