"""The checks of what customers had said by each day: for each a mistake that it alone finds."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest
from suites_support import broken_by

from expectations.suites.voices import VOICES
from expectations.validate import validate

TABLE = "marts.customer_voice_features"
# c1 promoted on 5 October and detracted on 25 November, c4 detracts on 31 December.
ROWS = f"""
create table {TABLE} as
select
    md5(customer_id)::uuid as customer_key, as_of_on::date as as_of_on, 'detractor' as class_nps,
    days as days_since_nps, null::varchar as class_csat, null::int as days_since_csat,
    null::varchar as class_ces, null::int as days_since_ces, 'detractor' as headline_class,
    previous as previous_headline_class,
    if(previous is null, null, 'worsened') as headline_direction,
    if(previous is null, 0, 1)::bigint as headline_changes_365d, 2::bigint as themes_365d,
    1::bigint as detractor_themes_365d, md5(account)::uuid as account_key,
    others::bigint as other_voices_365d, nps as other_voices_nps
from (values
    ('c1', '2025-11-30', 5, 'promoter', 'k', 2, 50.0::double),
    ('c1', '2025-12-31', 36, 'promoter', 'k', 0, null),
    ('c4', '2025-12-31', 0, null, null, null, null)
) as t (customer_id, as_of_on, days, previous, account, others, nps)
"""
C1 = "customer_key = md5('c1')::uuid"
MISTAKES = {
    "keys": f"insert into {TABLE} from {TABLE} where as_of_on = '2025-11-30'",
    "keys day": f"insert into {TABLE} by name select * replace (as_of_on + 1 as as_of_on) from {TABLE} where {C1}",
    "figures class": f"update {TABLE} set class_nps = 'satisfied' where {C1}",
    "figures days": f"update {TABLE} set class_csat = 'satisfied'",
    "figures same": f"update {TABLE} set headline_direction = 'same' where {C1}",
    "figures direction": f"update {TABLE} set headline_direction = 'improved'",
    "figures themes": f"update {TABLE} set detractor_themes_365d = 3",
    "figures changes": f"update {TABLE} set headline_changes_365d = null",
    "figures account": f"update {TABLE} set account_key = null",
    "figures score": f"update {TABLE} set other_voices_nps = 0",
    "latest class": f"update {TABLE} set headline_class = 'passive' where {C1}",
    "latest lost": f"delete from {TABLE} where customer_key = md5('c4')::uuid",
    "latest leak": f"update {TABLE} set days_since_nps = 4 where as_of_on = '2025-11-30'",
    "latest nobody": f"update {TABLE} set customer_key = md5('c3')::uuid where {C1}",
}


@pytest.fixture(scope="module")
def good(good_marts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = Path(shutil.copy(good_marts, tmp_path_factory.mktemp("voices") / "good.duckdb"))
    with duckdb.connect(str(path)) as connection:
        connection.execute(ROWS)
    return path


def test_good_rows_pass(good):
    results = validate(good, VOICES, "marts")
    assert [(r.table, r.name, r.error) for r in results if not r.success] == []


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_found_by_its_check_alone(mistake, good, tmp_path):
    checks = [(TABLE, check) for check in VOICES["customer_voice_features"]]
    found = broken_by(MISTAKES[mistake], good, tmp_path, checks)
    assert found == {f"{TABLE} {mistake.split()[0]}"}
