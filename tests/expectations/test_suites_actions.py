"""The checks of whom to contact today: for each a mistake that it alone finds."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest
from suites_support import broken_by

from expectations.suites.actions import ACTIONS
from expectations.validate import validate

SEEDS = Path(__file__).parents[2] / "seeds"
LIST = "restricted.nps_actions"
CHECKS = [(LIST, check) for check in ACTIONS["nps_actions"]]
# c3, a passive of 3 November, and c1, who answered before and is a detractor since 25 November; both
# waited longer than their targets of a week and of two days. c2 has left; c4 answered last.
ROWS = f"""
create table seeds.follow_up_actions as from read_csv('{SEEDS / "follow_up_actions.csv"}');
create table marts.survey_fatigue as
select md5('c1')::uuid as customer_key, null::date as opted_out_on;
create table {LIST} as
select
    md5(response_id || action)::uuid as action_key, action, response_key, customer_key, nps_class,
    score, responded_at, contact_due_at::timestamp as contact_due_at, 'overdue' as sla_state,
    date_diff('second', responded_at, timestamp '2025-12-31 23:00:00') / 3600e0
        as hours_since_answer,
    60.0 as mrr, chance_to_leave, 60 * chance_to_leave as mrr_at_risk, call_rank
from marts.fct_nps_responses
inner join (values
    ('r3', 'ask_why', 0.1, 2, '2025-11-10 10:00:00'), ('r4', 'recover', 0.5, 1, '2025-11-27 10:00:00')
) as t (response_id, action, chance_to_leave, call_rank, contact_due_at) using (response_id)
"""
OF_R = "md5('{}')::uuid"
MISTAKES = {
    "keys": f"insert into {LIST} by name select * replace (3 as call_rank) from {LIST} "
    "where call_rank = 1",
    "keys filled": f"update {LIST} set action_key = null where call_rank = 1",
    "answers other": f"update {LIST} set response_key = {OF_R.format('r4')} where call_rank = 2",
    "answers class": f"update {LIST} set nps_class = 'promoter' where call_rank = 2",
    "answers action": f"update {LIST} set action = 'ask_review' where call_rank = 2",
    "answers score": "update seeds.follow_up_actions set min_score = 9 where action = 'ask_why'",
    "answers old": "update seeds.assumptions set value = 58 where name = 'action_days'",
    "answers newer": f"update {LIST} set response_key = {OF_R.format('r1')}, nps_class = 'promoter', "
    "score = 10, action = 'ask_review', responded_at = timestamp '2025-10-05 10:00:00', "
    "hours_since_answer = 87 * 24 + 13 where call_rank = 1",
    "left_alone": "update marts.dim_customers set is_active = false where customer_id = 'c3'",
    "left_alone opted": "update marts.survey_fatigue set opted_out_on = date '2025-12-01'",
    "figures risk": f"update {LIST} set mrr_at_risk = 7 where call_rank = 2",
    "figures chance": f"update {LIST} set chance_to_leave = 2, mrr_at_risk = 120",
    "figures state": f"update {LIST} set sla_state = 'in_time' where call_rank = 2",
    "figures hours": f"update {LIST} set hours_since_answer = 5 where call_rank = 2",
    "figures order": f"update {LIST} set call_rank = 4 where call_rank = 2",
}


@pytest.fixture(scope="module")
def good(good_marts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = Path(shutil.copy(good_marts, tmp_path_factory.mktemp("actions") / "good.duckdb"))
    with duckdb.connect(str(path)) as connection:
        connection.execute(ROWS)
    return path


def test_a_good_list_passes(good):
    results = validate(good, ACTIONS, "restricted")
    assert len(results) == len(CHECKS)
    assert [(r.table, r.name, r.error) for r in results if not r.success] == []


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_found_by_its_check_alone(mistake, good, tmp_path):
    found = broken_by(MISTAKES[mistake], good, tmp_path, CHECKS)
    assert found == {f"{LIST} {mistake.split()[0]}"}
