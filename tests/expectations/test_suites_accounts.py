"""The checks of accounts: for each a mistake that it alone finds."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest
from suites_support import failing_after

from expectations.suites.accounts import ACCOUNTS
from expectations.validate import validate

SEEDS = Path(__file__).parents[2] / "seeds"
ALL = [(table, check) for table, checks in ACCOUNTS.items() for check in checks]
NOW, ROLES, PERIODS = (
    "marts.account_nps",
    "marts.account_nps_by_role",
    "marts.account_nps_by_period",
)
# a: an owner who promotes (ARR 100); b: two users, one promotes and one does not (300); c is silent.
# By contact 100 / 3, by account (100 + 0) / 2 = 50, by revenue 100 x 100 / 400 = 25.
ROWS = f"""
create table {NOW} as
select * from (values
    ('a', 'crm', 'A', 'nps', 'relational', 100.0::double, date '2026-01-01', 1::bigint, 1::bigint,
        1::bigint, 0::bigint, 0::bigint, 100.0::double, 1::bigint, 0.0::double, 100.0::double,
        1::bigint, 100.0::double, 100 / 3::double, 50.0::double, 25.0::double, date '2025-12-01',
        false),
    ('b', 'crm', 'B', 'nps', 'relational', 300, null, 2, 2, 1, 0, 1, 0, 0, null, null, 0, null,
        0, 0, 0, date '2025-12-02', false),
    ('c', 'crm', 'C', 'nps', 'relational', 500, null, 0, 0, 0, 0, 0, null, 0, null, null, 0, null,
        0, null, null, null, true)
) as t (account_key, source, account_id, metric, survey_type, arr, renews_on, customers, responses,
    promoters, passives, detractors, nps, previous_responses, previous_nps, nps_change,
    decision_maker_responses, decision_maker_nps, respondent_contribution, account_contribution,
    revenue_contribution, last_responded_on, is_silent);
create table {ROLES} as
select * from (values
    ('a', 'nps', 'relational', 'owner', true, 1::bigint, 100.0::double, date '2025-12-01', 9,
        'promoter'),
    ('b', 'nps', 'relational', 'user', false, 2, 0, date '2025-12-02', 3, 'detractor')
) as t (account_key, metric, survey_type, role, decides, responses, nps, last_responded_on,
    last_score, last_nps_class);
create table {PERIODS} as
select * from (values
    ('customers', 3::bigint, 2::bigint, 1::bigint, 2 / 3::double, 900.0::double, 400.0::double,
        400 / 900::double, 3::bigint, 2::bigint, 0::bigint, 1::bigint, 9 / 5::double,
        100 / 3::double, 35.1::double, -40.0::double, 90.0::double, false),
    ('accounts', 3, 2, 1, 2 / 3, 900, 400, 400 / 900, 3, 2, 0, 1, 2, 50, 35.4, -32, 99, false),
    ('revenue', 3, 1, 1, 2 / 3, 900, 400, 400 / 900, 1, 1, 0, 0, null, null, null, null, null, true)
) as t (basis, known_accounts, accounts, silent_accounts, account_coverage, known_arr, answered_arr,
    revenue_coverage, responses, promoters, passives, detractors, effective_accounts, nps,
    standard_error, ci_low, ci_high, is_suppressed)
cross join (
    select 'month' as time_grain, date '2025-12-01' as period_start, date '2025-12-31' as period_end,
        'nps' as metric, 'relational' as survey_type
);
"""
MISTAKES = {
    "account_nps keys": f"insert into {NOW} from {NOW} where is_silent",
    "account_nps keys of whom": f"update {NOW} set metric = 'enps', "
    "respondent_contribution = null where is_silent",
    "account_nps figures classes": f"update {NOW} set passives = 1 where account_key = 'a'",
    "account_nps figures score": f"update {NOW} set decision_maker_nps = null",
    "account_nps figures change": f"update {NOW} set nps_change = 1",
    "account_nps figures silence": f"update {NOW} set is_silent = true where account_key = 'a'",
    "account_nps figures window": f"update {NOW} set last_responded_on = '2024-12-31' "
    "where not is_silent; "
    f"update {ROLES} set last_responded_on = '2024-12-31'",
    "account_nps figures renewal": f"update {NOW} set renews_on = '2025-12-31'",
    "account_nps contributions customers": f"update {NOW} set respondent_contribution = 1",
    "account_nps contributions accounts": f"update {NOW} set account_contribution = 1",
    "account_nps contributions revenue": f"update {NOW} set revenue_contribution = 1",
    "account_nps no_emails": f"update {NOW} set account_id = 'ann@mail.example'",
    "account_nps_by_role keys": f"insert into {ROLES} from {ROLES}",
    "account_nps_by_role keys decides": f"update {ROLES} set decides = false",
    "account_nps_by_role keys score": f"update {ROLES} set nps = 101",
    "account_nps_by_role last": f"delete from {ROLES} where account_key = 'a'",
    "account_nps_by_role last later": f"update {ROLES} set last_responded_on = '2025-12-03'",
    "account_nps_by_role no_emails": f"update {ROLES} set last_nps_class = 'promoter', "
    "role = 'ann@mail.example' where role = 'user'",
    "account_nps_by_period keys": f"update {PERIODS} set basis = null where basis = 'revenue'",
    "account_nps_by_period keys grain": f"update {PERIODS} set time_grain = 'week'",
    "account_nps_by_period figures classes": f"update {PERIODS} set passives = 1",
    "account_nps_by_period figures silent": f"update {PERIODS} set silent_accounts = 0, "
    "account_coverage = 1",
    "account_nps_by_period figures coverage": f"update {PERIODS} set revenue_coverage = 0.5",
    "account_nps_by_period figures score": f"update {PERIODS} set nps = 34 where nps < 50",
    "account_nps_by_period figures shown": f"update {PERIODS} set nps = 100 where nps is null",
    "account_nps_by_period figures weight": f"update {PERIODS} set effective_accounts = 2.1 "
    "where basis = 'customers'",
    "account_nps_by_period figures interval": f"update {PERIODS} set ci_high = 101",
    "account_nps_by_period one_period": f"update {PERIODS} set known_accounts = 4, "
    "silent_accounts = 2, account_coverage = 0.5 where basis = 'accounts'",
    "account_nps_by_period one_period bases": f"delete from {PERIODS} where basis = 'customers'",
}


@pytest.fixture(scope="module")
def good(good_marts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = Path(shutil.copy(good_marts, tmp_path_factory.mktemp("accounts") / "good.duckdb"))
    with duckdb.connect(str(path)) as connection:
        for name in ("metrics", "account_roles"):
            connection.execute(f"create table seeds.{name} as from read_csv('{SEEDS / name}.csv')")
        connection.execute(ROWS)
    return path


def test_good_accounts_pass(good):
    results = validate(good, ACCOUNTS, "marts")
    assert [(r.table, r.name, r.error) for r in results if not r.success] == []


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_found_by_its_check_alone(mistake, good):
    with duckdb.connect(str(good)) as connection:
        found = failing_after(connection, ALL, MISTAKES[mistake])
    assert found == {tuple(mistake.split()[:2])}


def test_every_check_can_fail():
    assert {(table, check.name) for table, check in ALL} == {
        tuple(mistake.split()[:2]) for mistake in MISTAKES
    }
