"""The checks of the histogram: for each a mistake that it alone finds."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest
from suites_support import failing_after

from expectations.suites.histogram import HISTOGRAM
from expectations.validate import validate

ALL = [(table, check) for table, checks in HISTOGRAM.items() for check in checks]
TABLE = "fct_nps_score_histogram"
ANN = "ann@mail.example"


def _bars() -> str:
    """The histogram of the facts by brute force: every grain, basis and dimension on its own."""
    parts = []
    dimensions = {
        "all": "'all'",
        "region": "coalesce(region, '(unknown)')",
        "channel": "channel",
        "touchpoint": "coalesce(touchpoint, '(unknown)')",
        "survey": "survey_id",
    }
    for grain in ("month", "quarter", "year", "all"):
        first = "(select min(responded_on) from marts.fct_nps_responses)"
        start = first if grain == "all" else f"date_trunc('{grain}', responded_on)"
        for basis in ("responses", "customers"):
            kept = "*" if basis == "responses" else "distinct on (voice_key, period_start) *"
            for dimension, segment in dimensions.items():
                parts.append(f"""
                    select
                        '{grain}' as time_grain, period_start, period_start + 1 as period_end,
                        '{basis}' as basis, metric, survey_type, '{dimension}' as dimension,
                        {segment} as segment, score, nps_class, count(*) as responses
                    from (
                        select {kept} from (
                            select *, cast({start} as date) as period_start
                            from marts.fct_nps_responses
                        ) order by voice_key, period_start, responded_at desc
                    ) group by all""")
    return f"""
    create or replace table marts.{TABLE} as
    select
        *,
        cast(sum(responses) over cell as bigint) as cell_responses,
        case when sum(responses) over cell > 1 then responses / sum(responses) over cell end as share,
        sum(responses) over cell < 2 as is_suppressed
    from ({" union all ".join(parts)})
    window cell as (
        partition by time_grain, period_start, basis, metric, survey_type, dimension, segment
    )
    """


# Several entries of one check differ by a word after the check's name.
MISTAKES = {
    "keys": f"update marts.{TABLE} set period_end = null",
    "keys order": f"update marts.{TABLE} set period_end = period_start - 1",
    "keys share": f"update marts.{TABLE} set share = share / 2",
    "keys suppressed": f"update marts.{TABLE} set share = 1 where is_suppressed",
    "classes": f"update marts.{TABLE} set score = 8 where score = 10",
    "adds_up": f"delete from marts.{TABLE} where segment = 'north' and basis = 'customers'",
    "adds_up class": f"update marts.{TABLE} set score = 1, nps_class = 'detractor' "
    "where score = 9 and dimension = 'all' and time_grain = 'year'",
    "adds_up suppressed": "update raw.workspace set min_group_size = 3",
    "no_emails": f"update marts.{TABLE} set survey_type = '{ANN}'; "
    f"update marts.fct_nps_by_period set survey_type = '{ANN}'; "
    f"update marts.fct_nps_by_segment_period set survey_type = '{ANN}'",
}


@pytest.fixture(scope="module")
def good(good_marts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = Path(shutil.copy(good_marts, tmp_path_factory.mktemp("histogram") / "good.duckdb"))
    with duckdb.connect(str(path)) as connection:
        connection.execute(_bars())
    return path


def _found(good: Path, statements: str) -> set[str]:
    """The checks that fail after some statements, which are taken back."""
    with duckdb.connect(str(good)) as connection:
        return {name for _, name in failing_after(connection, ALL, statements)}


def test_a_good_histogram_passes(good):
    results = validate(good, HISTOGRAM, "marts")
    assert [(r.table, r.name, r.error) for r in results if not r.success] == []


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_found_by_its_check_alone(mistake, good):
    assert _found(good, MISTAKES[mistake]) == {mistake.split()[0]}


def test_every_check_can_fail():
    assert {check.name for _, check in ALL} == {mistake.split()[0] for mistake in MISTAKES}


def test_an_empty_histogram_of_nothing_passes(good):
    tables = (TABLE, "fct_nps_by_period", "fct_nps_by_segment_period")
    assert not _found(good, "; ".join(f"delete from marts.{table}" for table in tables))
