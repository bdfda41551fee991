"""The checks of growth and of what was published: for each a mistake that it alone finds.

Base 100; its customers pay 85 at the end; 25 were earned and 20 bought: 130. One figure was published
as 6, 2, 2 and is 6, 2, 3 now; another is what it was.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from suites_support import failing_after

from expectations.suites.growth import GROWTH
from expectations.suites.history import HISTORY
from expectations.validate import validate

SUITES = {**GROWTH, **HISTORY}
ALL = [(table, check) for table, checks in SUITES.items() for check in checks]
GOOD = [
    "create schema raw; create schema marts; create schema intermediate",
    "create table raw.workspace as select date '2025-12-31' as as_of_on, 'UTC' as timezone, "
    "null::int as fiscal_year_start",
    """
    create table intermediate.int_mrr_movements_versioned as
    select 'crm' as customer_source, * from (values
        ('a', 'new', 100.0::double, timestamp '2025-01-05 10:00:00', 'accepted'),
        ('a', 'churn', 15.0, timestamp '2025-04-05 10:00:00', 'accepted'),
        ('b', 'new', 45.0, timestamp '2025-05-05 10:00:00', 'accepted'),
        ('c', 'new', 999.0, timestamp '2025-05-06 10:00:00', 'quarantined'),
        ('d', 'expansion', 7.0, timestamp '2025-05-06 10:00:00', 'accepted')
    ) as t (customer_key, kind, amount, moved_at, row_status)
    """,
    """
    create table marts.earned_growth as
    select
        'quarter' as time_grain, t.*, true as is_complete, 0.0::double as expansion_mrr,
        0.0::double as contraction_mrr, 0.0::double as reactivated_mrr, 0.0::double as returned_mrr
    from (values
        (date '2025-01-01', date '2025-03-31', 0.0::double, 0.0::double, 100.0::double,
        0.0::double, 100.0::double, 100.0::double, 1, 0, null::double, null::double,
        null::double, 'no_opening_mrr'),
        (date '2025-04-01', date '2025-06-30', 100.0, -15.0, 45.0,
        25.0, 20.0, 130.0, 2, 1, 0.85, 0.3, 0.1, null)
    ) as t (
        period_start, period_end, opening_mrr, churned_mrr, new_mrr, earned_new_mrr,
        bought_new_mrr, closing_mrr, new_customers, earned_customers, nrr, growth,
        earned_growth_rate, unknown_because
    )
    """,
    """
    create table raw.published_figures as
    select
        'nps' as metric, 'relational' as survey_type, 'month' as time_grain,
        date '2025-01-01' as period_start, date '2025-01-31' as period_end,
        'responses' as basis, 6 as promoters, 2 as passives, 2 as detractors,
        date '2025-02-01' as as_of_on
    """,
    """
    create table marts.fct_nps_by_period as
    select 'nps' as metric, 'relational' as survey_type, 'month' as time_grain, t.*
    from (values
        (date '2025-01-01', 'responses', 11, 300.0 / 11),
        (date '2025-02-01', 'responses', 10, 50.0)
    ) as t (period_start, basis, responses, nps)
    """,
    """
    create table marts.nps_restatements as
    select 'nps' as metric, 'relational' as survey_type, 'month' as time_grain, t.*
    from (values
        (date '2025-01-01', date '2025-01-31', 'responses', date '2025-02-01', 10,
        40.0::double, 11, 300.0 / 11, 300.0 / 11 - 40, true),
        (date '2025-02-01', date '2025-02-28', 'responses', date '2025-12-31', 10,
        50.0, 10, 50.0, 0.0, false)
    ) as t (
        period_start, period_end, basis, first_as_of_on, first_responses, first_nps, responses,
        nps, change, is_restated
    )
    """,
]
GROWN, RESTATED = "update marts.earned_growth set", "update marts.nps_restatements set"
LATER = "where period_start = date '2025-04-01'"
MISTAKES = {
    ("earned_growth", "keys"): f"{GROWN} time_grain = 'week' {LATER}",
    ("earned_growth", "keys twice"): (
        "insert into marts.earned_growth from marts.earned_growth "
        "where period_start = date '2025-01-01'"
    ),
    ("earned_growth", "movements"): (
        f"{GROWN} opening_mrr = 99, closing_mrr = 128.7, churned_mrr = -14.85, new_mrr = 44.55, "
        f"earned_new_mrr = 24.75 {LATER}"
    ),
    ("earned_growth", "growth nrr"): f"{GROWN} nrr = 0.9, earned_growth_rate = 0.15 {LATER}",
    ("earned_growth", "growth earned"): f"{GROWN} earned_growth_rate = 0.3 {LATER}",
    ("earned_growth", "growth zero for unknown"): (
        f"{GROWN} nrr = 0, growth = 0 where period_start = date '2025-01-01'"
    ),
    ("earned_growth", "growth no reason"): (
        f"{GROWN} unknown_because = null where period_start = date '2025-01-01'"
    ),
    ("nps_restatements", "keys"): f"{RESTATED} first_as_of_on = null where not is_restated",
    ("nps_restatements", "keys open"): (
        f"{RESTATED} period_end = date '2026-01-31' where not is_restated"
    ),
    ("nps_restatements", "first"): f"{RESTATED} first_responses = 11 where is_restated",
    ("nps_restatements", "first day"): (
        f"{RESTATED} first_as_of_on = date '2025-03-01' where is_restated"
    ),
    ("nps_restatements", "now"): f"{RESTATED} nps = nps + 1, change = change + 1 where is_restated",
    ("nps_restatements", "now unmarked"): f"{RESTATED} is_restated = false where is_restated",
}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("growth") / "good.duckdb"
    with duckdb.connect(str(path)) as connection:
        for statement in GOOD:
            connection.execute(statement)
    return path


def _found(good: Path, statements: str) -> set[tuple[str, str]]:
    """The checks that fail after some statements, which are taken back."""
    with duckdb.connect(str(good)) as connection:
        return failing_after(connection, ALL, statements)


def test_good_tables_pass(good):
    results = validate(good, SUITES, "marts")
    assert [(r.table, r.name, r.error) for r in results if not r.success] == []


@pytest.mark.parametrize("mistake", MISTAKES, ids=" ".join)
def test_a_mistake_is_found_by_its_check_alone(mistake, good):
    assert _found(good, MISTAKES[mistake]) == {(mistake[0], mistake[1].split()[0])}


FISCAL = (
    "insert into raw.published_figures by name select * replace ('fiscal_year' as time_grain, "
    "date '2024-04-01' as period_start, date '2025-03-31' as period_end) "
    "from raw.published_figures limit 1; update raw.workspace set fiscal_year_start = {}"
)


@pytest.mark.parametrize("start, shows", [(4, True), (7, False), ("null", False)])
def test_a_published_fiscal_year_is_shown_while_the_workspace_has_it(good, start, shows):
    missing = {("nps_restatements", "first")} if shows else set()
    assert _found(good, FISCAL.format(start)) == missing


def test_every_check_can_fail():
    assert {(table, check.name) for table, check in ALL} == {
        (table, name.split()[0]) for table, name in MISTAKES
    }


def test_without_movements_and_without_a_past_nothing_is_wrong(good):
    empty = (*(table for table, _ in ALL), "fct_nps_by_period")
    statements = "; ".join(f"delete from marts.{table}" for table in empty)
    assert _found(good, statements + "; delete from raw.published_figures") == set()
