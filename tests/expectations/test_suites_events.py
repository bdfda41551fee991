"""The checks of what events did: for each a mistake that it alone finds."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest
from suites_support import failing_after

from expectations.suites.events import EVENTS
from expectations.validate import validate

ALL = [(table, check) for table, checks in EVENTS.items() for check in checks]
TABLE = "marts.nps_event_effects"
# In the north a fell from promoter to detractor and b stayed one, in the south c and d stayed passive: the
# change is -100, that of the spared 0. Who answered after the days of the event is not counted.
ROWS = """
insert into raw.events values ('outage', date '2025-06-15', 'region', 'north', 10);
alter table marts.fct_nps_responses add column if not exists version_at timestamp;
delete from marts.fct_nps_responses;
insert into marts.fct_nps_responses by name
select
    md5(voice_key || responded_on) as response_key, 's' as source, voice_key || responded_on as response_id,
    md5(voice_key) as voice_key, 'nps' as metric, 'relational' as survey_type, region, contribution,
    responded_on::timestamp as responded_at, responded_on::date as responded_on
from (values
    ('a', 'north', 100, '2025-06-10'), ('a', 'north', -100, '2025-06-20'),
    ('b', 'north', 100, '2025-06-10'), ('b', 'north', 100, '2025-06-20'),
    ('c', 'south', 0, '2025-06-10'), ('c', 'south', 0, '2025-06-20'),
    ('d', 'south', 0, '2025-06-10'), ('d', 'south', 0, '2025-06-20'), ('d', 'south', 100, '2025-06-25')
) as t (voice_key, region, contribution, responded_on);
create table marts.nps_event_effects as
select
    'outage' as event, date '2025-06-15' as happened_on, 'region' as dimension, 'north' as segment,
    10 as window_days, 'nps' as metric, 'relational' as survey_type, true as is_complete,
    2::bigint as responses_before, 2::bigint as responses_after, 100::double as nps_before,
    0::double as nps_after, -100::double as change, 2::bigint as spared_responses_before,
    2::bigint as spared_responses_after, 0::double as spared_change, -100::double as effect,
    60::double as standard_error, -200::double as ci_low, 10::double as ci_high,
    0.1::double as p_value, null::varchar as untested_because
"""
MISTAKES = {
    "keys": f"update {TABLE} set window_days = 0",
    "keys dimension": f"update {TABLE} set segment = 'all'",
    "scores before": f"update {TABLE} set responses_before = 3",
    "scores score": f"update {TABLE} set nps_before = 90, nps_after = -10",
    "scores spared": f"update {TABLE} set spared_responses_after = 3",
    "effects change": f"update {TABLE} set change = -99, effect = -99",
    "effects effect": f"update {TABLE} set effect = -99",
    "effects untested": f"update {TABLE} set untested_because = 'too_few_to_test'",
    "effects interval": f"update {TABLE} set p_value = 0.01",
}


@pytest.fixture(scope="module")
def good(good_marts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = Path(shutil.copy(good_marts, tmp_path_factory.mktemp("events") / "good.duckdb"))
    with duckdb.connect(str(path)) as connection:
        connection.execute(ROWS)
    return path


def test_good_effects_pass(good):
    results = validate(good, EVENTS, "marts")
    assert [(r.table, r.name, r.error) for r in results if not r.success] == []


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_found_by_its_check_alone(mistake, good):
    with duckdb.connect(str(good)) as connection:
        found = {name for _, name in failing_after(connection, ALL, MISTAKES[mistake])}
    assert found == {mistake.split()[0]}
