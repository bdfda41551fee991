"""A build that adds what came to the last one ends where a build from the beginning does.

Two hundred random histories (`histories.py`), each delivered on a first day and ten further ones:
after each of these the workspace is refreshed, and in the end its tables must be those of a
workspace that took in everything at once.
"""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import duckdb
import e2e_support as e2e
import histories
import pytest

HISTORIES = 200
SEED = 4


def _deliver(root: Path, day: date, rows: histories.Rows) -> None:
    for name, lines in rows.items():
        if lines:
            text = e2e.csv_text(histories.HEADERS[name], lines)
            e2e.deliver(root, f"{name}_{day:%Y%m%d}.csv", text)


def _declare(root: Path, day: date) -> None:
    e2e.declare(root, {**histories.SETTINGS, "as_of": day.isoformat()})


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """The workspace that grew by batches, and the one built at once; and how often each was full."""
    grown, at_once = (tmp_path_factory.mktemp(name) for name in ("grown", "at-once"))
    made_from = []
    for day, rows in histories.deliveries(SEED, HISTORIES):
        _declare(grown, day)
        _deliver(grown, day, rows)
        _deliver(at_once, day, rows)
        e2e.build(grown)
        record = json.loads((grown / "warehouse" / "built.json").read_text(encoding="utf-8"))
        made_from.append(record["from"])
    _declare(at_once, day)
    e2e.build(at_once)
    return grown, at_once, made_from


def test_only_the_first_build_is_full(both):
    made_from = both[2]
    assert [origin is None for origin in made_from] == [True] + 10 * [False]


@pytest.mark.parametrize("part", ["nps", "restricted"])
def test_batches_end_where_a_full_build_does(both, part):
    grown, at_once, _ = both
    schema = "marts" if part == "nps" else "restricted"
    with duckdb.connect() as connection:
        for name, root in (("grown", grown), ("once", at_once)):
            path = root / "published" / f"{part}.duckdb"
            connection.execute(f"attach '{path}' as {name} (read_only)")
        tables = connection.execute(
            "select table_name from duckdb_tables() where database_name = 'once' "
            "and table_name not in ('_generation', 'nps_restatements') order by all"
        ).fetchall()
        differing = {}
        for (table,) in tables:
            one, other = (f"{name}.{schema}.{table}" for name in ("grown", "once"))
            extra, missing = (
                connection.execute(f"from {a} except all from {b} order by all limit 3").fetchall()
                for a, b in ((one, other), (other, one))
            )
            if extra or missing:
                differing[table] = {"only grown": extra, "only at once": missing}
    assert tables
    assert not differing


def test_the_histories_hold_what_reaches_into_the_past(both):
    """Else the equality above would say little."""
    with duckdb.connect(str(both[1] / "warehouse" / "nps.duckdb"), read_only=True) as connection:

        def count(query: str) -> int:
            (found,) = connection.execute(f"select count(*) from {query}").fetchone()
            return found

        judged = "intermediate.int_survey_responses_versioned"
        for status in ("accepted", "superseded", "duplicate", "deleted", "quarantined"):
            assert count(f"{judged} where row_status = '{status}'") > 20, status
        for reason in ("conflicting_duplicate", "answered_before_sent", "another_scale"):
            assert count(f"{judged} where reject_reason = '{reason}'") > 0, reason
        assert count("marts.dim_customer_history where valid_to is not null") > 50
        assert count("marts.dim_customers where is_inferred") > 20
        assert count("intermediate.int_invitations_unanswered") > 50
        assert count("marts.fct_nps_churn where days_to_churn is not null") > 20
