"""The checks of the headline hold on a good table, and for each there is a mistake it finds."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import duckdb
import pytest
from suites_support import failing, failing_after

from expectations.suites.headline import HEADLINE
from expectations.validate import validate

TABLE = "marts.nps_headline"
ALL = [("nps_headline", check) for check in HEADLINE["nps_headline"]]
# Of the facts' six answers four voices have their latest in the 60 days from 2 November on: c1 a
# detractor (one answer), c3 a passive, a nameless promoter, and c4 a detractor of the last day. The
# 60 days before hold c1 as a promoter, who moved, and c2; a year before there was nobody.
GOOD = {
    "metric": "nps", "survey_type": "relational", "declared_window_days": 60, "window_days": 60,
    "starts_on": date(2025, 11, 2), "ends_on": date(2025, 12, 31), "responses": 4, "promoters": 1,
    "passives": 1, "detractors": 2, "nps": -25.0, "standard_error": 41.5, "ci_low": -90.0,
    "ci_high": 50.0, "is_suppressed": False, "answers": 4, "effective_voices": 4.0,
    "is_carried_by_few": False, "significance_level": 0.05,
    "previous_window_responses": 2, "previous_window_nps": 100.0, "previous_window_change": -125.0,
    "previous_window_p_value": 0.03, "previous_window_is_significant": True,
    "previous_window_untested_because": None, "previous_window_shared_voices": 1,
    "previous_window_moved_voices": 1,
    "year_before_responses": 0, "year_before_nps": None, "year_before_change": None,
    "year_before_p_value": None, "year_before_is_significant": None,
    "year_before_untested_because": "no_answers", "year_before_shared_voices": None,
    "year_before_moved_voices": None, "weighted_by": "region",
}  # fmt: skip
# the same of all of history: c1 a detractor with two answers, c2 and a nameless one promoters
WHOLE = {
    "window_days": None, "starts_on": date(2025, 10, 5), "responses": 5, "promoters": 2,
    "nps": 0.0, "ci_low": -60.0, "ci_high": 60.0, "answers": 6, "effective_voices": 36 / 8,
    "previous_window_responses": None, "previous_window_nps": None, "previous_window_change": None,
    "previous_window_p_value": None, "previous_window_is_significant": None,
    "previous_window_untested_because": "no_window", "previous_window_shared_voices": None,
    "previous_window_moved_voices": None, "year_before_responses": None,
    "year_before_untested_because": "no_window",
}  # fmt: skip
MISTAKES = {
    "keys": f"insert into {TABLE} from {TABLE}",
    "keys null": f"update {TABLE} set survey_type = null",
    "keys window": f"update {TABLE} set declared_window_days = 61",
    "keys length": f"update {TABLE} set window_days = 61",
    "scores": f"update {TABLE} set nps = -24, previous_window_change = -124",
    "voices": f"update {TABLE} set promoters = 2, passives = 0, nps = 0, "
    "previous_window_change = -100",
    "voices answers": f"update {TABLE} set answers = 5",
    "voices worth": f"update {TABLE} set effective_voices = 3.9",
    "voices series": "insert into marts.fct_nps_responses by name select * replace "
    "('other' as survey_type) from marts.fct_nps_responses limit 1",
    "changes": f"update {TABLE} set previous_window_responses = 3",
    "changes shared": f"update {TABLE} set previous_window_shared_voices = 2",
    "changes moved": f"update {TABLE} set previous_window_moved_voices = 0",
    "changes untested": f"update {TABLE} set year_before_untested_because = null",
    "changes level": f"update {TABLE} set significance_level = 0.01",
    "changes difference": f"update {TABLE} set previous_window_change = -124",
    "no_emails": f"update {TABLE} set weighted_by = 'ann@mail.example'",
}


def _value(value: object) -> str:
    if value is None or isinstance(value, bool | int | float):
        return "null" if value is None else str(value)
    return f"date '{value}'" if isinstance(value, date) else f"'{value}'"


def _filled(connection: duckdb.DuckDBPyConnection, row: dict[str, object]) -> None:
    columns = ", ".join(f"{_value(value)} as {name}" for name, value in (GOOD | row).items())
    connection.execute(f"create or replace table {TABLE} as select {columns}")


def _typed(connection: duckdb.DuckDBPyConnection) -> None:
    """Give NULLs the types of their columns: those of a literal have none of their own."""
    for name in ("year_before", "previous_window"):
        for figure in ("nps", "change", "p_value"):
            connection.execute(f"alter table {TABLE} alter {name}_{figure} type double")
        connection.execute(f"alter table {TABLE} alter {name}_is_significant type boolean")
        connection.execute(f"alter table {TABLE} alter {name}_untested_because type varchar")


@pytest.fixture(scope="module")
def good(good_marts, tmp_path_factory) -> Path:
    path = Path(shutil.copy(good_marts, tmp_path_factory.mktemp("headline") / "good.duckdb"))
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "alter table marts.fct_nps_responses add column if not exists version_at timestamp"
        )
        _filled(connection, {})
        _typed(connection)
    return path


def test_a_good_headline_passes(good):
    results = validate(good, HEADLINE, "marts")
    assert [(r.table, r.name, r.error) for r in results if not r.success] == []
    assert len(results) == len(ALL)


def test_a_headline_of_all_history_passes(good, tmp_path):
    with duckdb.connect(str(shutil.copy(good, tmp_path / "whole.duckdb"))) as connection:
        _filled(connection, WHOLE)
        _typed(connection)
        assert failing(connection, ALL) == set()


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_the_headline_is_found_by_its_check(mistake, good):
    with duckdb.connect(str(good)) as connection:
        found = failing_after(connection, ALL, MISTAKES[mistake])
    assert ("nps_headline", mistake.split()[0]) in found


def test_every_check_of_the_headline_can_fail():
    assert {check.name for _, check in ALL} == {mistake.split()[0] for mistake in MISTAKES}
