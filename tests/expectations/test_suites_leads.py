"""The checks of leads: for each a mistake that it alone finds."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest
from suites_support import broken_by

from expectations.suites.leads import LEADS, SCORED
from expectations.validate import validate

CHECKS = [(f"marts.{table}", check) for table, checks in LEADS.items() for check in checks]
CHECKS += [(f"restricted.{table}", check) for table, checks in SCORED.items() for check in checks]
ATTRIBUTES = "marts.lead_score_attributes"
SCORES = "restricted.lead_scores"
ROWS = f"""
insert into raw.lead_attributes values
    ('region', true), ('reference', true), ('budget', false), ('plan', true);
create table {ATTRIBUTES} as
select * from (values
    ('region', 20, 0.9, 1.0, 5, 1.0, 1.0, true, null),
    ('reference', 20, 0.5, 1.0, 5, 1.0, 1.0, false, 'filled_later'),
    ('plan', 20, 1.0, 1.0, 5, 0.2, 0.2, false, 'seldom_known_of_leads'),
    ('budget', 0, null, null, 5, 1.0, 0.0, false, 'not_of_customers')
) as t (attribute, customers, customer_coverage, customer_coverage_now, leads, lead_coverage,
    comparable_coverage, is_used, left_out_because);
create table {SCORES} as
select * from (values
    ('a', 2, 0.5, 0.6, 'region north: 1.5 times', 'size few: 1.1 times', null),
    ('b', 1, -0.5, 0.4, 'region south: 1.6 times', null, null),
    ('c', 0, null, null, null, null, null)
) as t (lead_key, known_attributes, likeness, probability, reason_1, reason_2, reason_3)
"""
MISTAKES = {
    f"{ATTRIBUTES} keys": f"update {ATTRIBUTES} set attribute = 'plan' where attribute = 'region'",
    f"{ATTRIBUTES} leaks": f"update {ATTRIBUTES} set is_used = true, left_out_because = null "
    "where attribute = 'reference'",
    f"{ATTRIBUTES} leaks plan": f"update {ATTRIBUTES} set is_used = true, left_out_because = null "
    "where attribute = 'plan'",
    f"{ATTRIBUTES} leaks budget": f"update {ATTRIBUTES} set left_out_because = 'no_answers' "
    "where attribute = 'budget'",
    f"{ATTRIBUTES} no_emails": f"update {ATTRIBUTES} set left_out_because = 'a@mail.example' "
    "where attribute = 'plan'",
    f"{SCORES} keys": f"update {SCORES} set lead_key = 'b' where lead_key = 'c'",
    f"{SCORES} reasons": f"update {SCORES} set reason_2 = null where lead_key = 'a'",
    f"{SCORES} reasons order": f"update {SCORES} set probability = 0.7 where lead_key = 'b'",
}


@pytest.fixture(scope="module")
def good(good_marts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = Path(shutil.copy(good_marts, tmp_path_factory.mktemp("leads") / "good.duckdb"))
    with duckdb.connect(str(path)) as connection:
        connection.execute(ROWS)
    return path


@pytest.mark.parametrize(("suites", "schema"), [(LEADS, "marts"), (SCORED, "restricted")])
def test_good_scores_of_leads_pass(suites, schema, good):
    results = validate(good, suites, schema)
    assert [(r.table, r.name, r.error) for r in results if not r.success] == []


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_found_by_its_check_alone(mistake, good, tmp_path):
    found = broken_by(MISTAKES[mistake], good, tmp_path, CHECKS)
    assert found == {" ".join(mistake.split()[:2])}
