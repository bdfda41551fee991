"""The checks of comparisons that adjust hold on good tables, and for each a mistake is found."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from dbt_support import compiled, empty_database, rebuild
from suites_support import change, failing_after
from value_support import Business, settle

from expectations.suites.adjusted import ADJUSTED
from expectations.validate import validate

ALL = [(table, check) for table, checks in ADJUSTED.items() for check in checks]
STRATIFIED, HAZARDS, DRIVERS = ADJUSTED
STEPS = (
    "int_anchors_unioned",
    "int_first_anchors_chosen",
    "int_first_landmarks_chosen",
    "int_retention_days_counted",
    "int_retention_pairs_summed",
    "int_first_answers_followed",
    "int_retention_customers_followed",
    "int_retention_customers_drawn",
    "int_retention_hazards_fitted",
    "int_driver_answers_chosen",
    "int_driver_classes_known",
    "int_driver_cells_counted",
    "int_driver_levels_counted",
    "int_driver_attributes_named",
    "int_driver_cells_reduced",
    "int_driver_pairs_counted",
    "int_drivers_estimated",
)


KNOWN = "p_value is not null and p_adjusted > p_value"
# A correction that is seen, of a pair that is suppressed in no segment.
COMPARED = """
    p_adjusted > p_value + 0.01 and not exists (
        select 1 from marts.nps_retention_tests as o
        where o.is_suppressed and o.dimension = t.dimension and o.basis = t.basis
            and o.survey_type = t.survey_type and o.nps_class = t.nps_class
            and o.compared_class = t.compared_class
    )
"""
# (table, check): statements that make this check fail and no other. Several entries of one check
# differ by a word after the check's name.
MISTAKES = {
    (STRATIFIED, "strata"): change(STRATIFIED, "records = records + 1", "true"),
    (STRATIFIED, "strata expected"): change(
        STRATIFIED, "expected_churned = expected_churned + 0.01", COMPARED
    ),
    (STRATIFIED, "strata chi"): change(STRATIFIED, "chi_squared = chi_squared + 9", COMPARED),
    (STRATIFIED, "strata lost"): f"delete from marts.{STRATIFIED}",
    (STRATIFIED, "corrected"): change(STRATIFIED, "p_adjusted = p_value", COMPARED),
    (HAZARDS, "figures"): change(HAZARDS, "ci_high = ci_high * 1.1", "hazard_ratio is not null"),
    (HAZARDS, "figures ratio"): change(HAZARDS, "hazard_ratio = ci_low / 2", KNOWN),
    (HAZARDS, "figures reason"): change(
        HAZARDS, "unknown_because = 'collinear'", "hazard_ratio is not null"
    ),
    (HAZARDS, "figures concordance"): change(HAZARDS, "concordance = 1.5", "true"),
    (HAZARDS, "of_the_facts"): change(HAZARDS, "known_customers = known_customers + 1", "true"),
    (HAZARDS, "of_the_facts sample"): change(HAZARDS, "is_sampled = true", "true"),
    (HAZARDS, "of_the_facts churned"): change(HAZARDS, "churned = customers + 1", "churned >= 3"),
    (HAZARDS, "corrected"): change(HAZARDS, "is_significant = not is_significant", KNOWN),
    (HAZARDS, "keys"): change(HAZARDS, "kind = 'price'", "comparisons = 1 and kind = 'segment'"),
    (DRIVERS, "keys"): change(DRIVERS, "kind = 'other'", "kind = 'segment'"),
    (DRIVERS, "shares"): change(DRIVERS, "share = share + 0.01", "share is not null"),
    (DRIVERS, "shares reason"): change(DRIVERS, "unknown_because = null", "levels = 1"),
    (DRIVERS, "shares interval"): change(DRIVERS, "ci_low = ci_high + 1", "share is not null"),
    (DRIVERS, "of_the_facts"): change(DRIVERS, "voices = voices + 1", "attribute = 'channel'"),
    (DRIVERS, "of_the_facts own"): change(
        DRIVERS, "own_share = own_share / 2", "attribute = 'channel' and own_share > 0.0001"
    ),
    (DRIVERS, "corrected"): change(
        DRIVERS, "is_significant = not is_significant", "p_value is not null"
    ),
}
# A dimension that is no segment is wrong in both.
MISTAKES_IN_TWO = {
    (STRATIFIED, HAZARDS, "keys"): "update raw.segments set published_name = 'zone'",
}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with the tables that adjust, and what they are made of."""
    path = tmp_path_factory.mktemp("adjusted") / "good.duckdb"
    with empty_database() as connection:
        settle(connection)
        connection.execute(
            "update nps.seeds.assumptions set value = 3 where name = 'min_per_coefficient'"
        )
        Business(20260101, cases=3, customers=300, answers=700).fill(connection)
        rebuild(connection, STEPS)
        for model in ("nps_retention_curves", "nps_retention_tests", *ADJUSTED):
            connection.execute(f"insert into marts.{model} by name {compiled(model)}")
        # compiled for a workspace of two segments, of which this business has one
        for model in ("nps_retention_tests", STRATIFIED):
            connection.execute(f"delete from marts.{model} where dimension = 'plan'")
        connection.execute(f"attach '{path}' as good")
        connection.execute("copy from database nps to good")
    return path


@pytest.fixture(scope="module")
def tables(good: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A copy of it, to make mistakes in."""
    with duckdb.connect(shutil.copy(good, good.with_name("bad.duckdb"))) as connection:
        connection.execute("set threads = 1")
        yield connection


def test_good_tables_pass(good):
    results = validate(good, ADJUSTED, "marts")
    assert [(r.table, r.name, r.error) for r in results if not r.success] == []


def test_the_tables_have_something_to_say(tables):
    for table in ADJUSTED:
        ((known,),) = tables.execute(f"select count(p_value) from marts.{table}").fetchall()
        assert known > 2, table


@pytest.mark.parametrize("mistake", MISTAKES, ids=" ".join)
def test_a_mistake_is_found_by_its_check_alone(mistake, tables):
    found = failing_after(tables, ALL, MISTAKES[mistake])
    assert found == {(mistake[0], mistake[1].split()[0])}


@pytest.mark.parametrize("mistake", MISTAKES_IN_TWO, ids=" ".join)
def test_a_mistake_in_two_tables_is_found_in_both(mistake, tables):
    *both, name = mistake
    found = failing_after(tables, ALL, MISTAKES_IN_TWO[mistake])
    assert found == {(table, name) for table in both}


def test_every_check_can_fail():
    tried = {(table, name.split()[0]) for table, name in MISTAKES}
    tried |= {(table, name) for *tables, name in MISTAKES_IN_TWO for table in tables}
    assert {(table, check.name) for table, check in ALL} == tried


@pytest.mark.parametrize("table, check", ALL, ids=lambda v: getattr(v, "name", v))
def test_checks_are_well_made(table, check):
    assert check.severity == "critical"
    assert check.why.endswith(".")
    assert "{batch}" in check.kwargs["unexpected_rows_query"]
