"""The checks of the journey: for each a mistake that it alone finds."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest
from suites_support import broken_by

from expectations.suites.journey import JOURNEY
from expectations.validate import validate

TABLE = "marts.nps_journey"
# 3 promoters and a detractor, 3 of them on the web: 3 of 4 go on; one in the app is fewer than two.
ROWS = f"""
insert into raw.journey values (1, 'trial'), (2, 'renewal');
create table {TABLE} as
select
    'nps' as metric, 'trial' as survey_type, 1 as stage_number, 'trial' as stage,
    'renewal' as next_stage, *, if(is_suppressed, null, 100.0 * (promoters - detractors) / responses) as nps,
    if(is_suppressed, null, 20.0) as standard_error, if(is_suppressed, null, -100.0) as ci_low,
    if(is_suppressed, null, 100.0) as ci_high, responses as observed,
    if(is_suppressed, null, 1.0 * converted / responses) as conversion_rate,
    if(is_suppressed, null, 0.0) as conversion_ci_low, if(is_suppressed, null, 1.0) as conversion_ci_high
from (values
    ('all', 'all', 'all', 4, 3, 0, 1, 3, false),
    ('all', 'all', 'promoter', 3, 3, 0, 0, 3, false),
    ('all', 'all', 'detractor', 1, 0, 0, 1, 0, true),
    ('channel', 'web', 'all', 3, 2, 0, 1, 2, false),
    ('channel', 'web', 'promoter', 2, 2, 0, 0, 2, false),
    ('channel', 'web', 'detractor', 1, 0, 0, 1, 0, true),
    ('channel', 'app', 'all', 1, 1, 0, 0, 1, true),
    ('channel', 'app', 'promoter', 1, 1, 0, 0, 1, true)
) as t (dimension, segment, nps_class, responses, promoters, passives, detractors, converted, is_suppressed)
"""
APP = "segment = 'app' and nps_class = 'promoter'"
MISTAKES = {
    "keys": f"insert into {TABLE} by name select * replace (0 as responses, 0 as observed, 0 as converted, "
    f"0 as promoters) from {TABLE} where {APP}",
    "keys stage": f"update {TABLE} set stage = 'setup'",
    "keys next": f"update {TABLE} set next_stage = 'setup'",
    "scores": f"update {TABLE} set nps = 0 where segment = 'web' and nps_class = 'all'",
    "conversion": f"update {TABLE} set conversion_rate = 0.9 where segment = 'web' and nps_class = 'all'",
    "conversion last": f"update {TABLE} set observed = null where {APP}",
    "totals": f"update {TABLE} set responses = 2, promoters = 2, observed = 2, is_suppressed = false, nps = 100, "
    "standard_error = 20, ci_low = 0, ci_high = 100, conversion_rate = 0.5, conversion_ci_low = 0, "
    "conversion_ci_high = 1 where segment = 'app' and nps_class = 'all'",
    "totals converted": f"update {TABLE} set converted = 0 where {APP}",
    "no_emails": f"update {TABLE} set segment = 'a@mail.example' where {APP}",
}


@pytest.fixture(scope="module")
def good(good_marts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = Path(shutil.copy(good_marts, tmp_path_factory.mktemp("journey") / "good.duckdb"))
    with duckdb.connect(str(path)) as connection:
        connection.execute(ROWS)
    return path


def test_a_good_journey_passes(good):
    results = validate(good, JOURNEY, "marts")
    assert [(r.table, r.name, r.error) for r in results if not r.success] == []


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_found_by_its_check_alone(mistake, good, tmp_path):
    checks = [(TABLE, check) for check in JOURNEY["nps_journey"]]
    found = broken_by(MISTAKES[mistake], good, tmp_path, checks)
    assert found == {f"{TABLE} {mistake.split()[0]}"}
