"""A build that adds what came to the last one ends where a build from the beginning does.

Two hundred random histories (`histories.py`), each delivered on a first day and ten further ones:
after each of these the workspace is refreshed, and in the end its tables must be those of a
workspace that took in everything at once.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import duckdb
import e2e_support as e2e
import histories
import pytest

from orchestration.publish import plan

HISTORIES = 200
SEED = 4


def _deliver(root: Path, day: date, rows: histories.Rows) -> None:
    for name, lines in rows.items():
        if lines:
            text = e2e.csv_text(histories.HEADERS[name], lines)
            e2e.deliver(root, f"{name}_{day:%Y%m%d}.csv", text)


def _declare(root: Path, day: date) -> None:
    e2e.declare(root, {**histories.SETTINGS, "as_of": day.isoformat()})


@dataclass
class Both:
    """The workspace that grew by batches, and the one built at once.

    Attributes:
        made_from: of each build of the first what it went on from; None: from the beginning.
        said: what its publications said.
        hows: how they made each changed table whose new rows a condition tells: names and ways.
    """

    grown: Path
    at_once: Path
    made_from: list[str | None] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    hows: set[tuple[str, str]] = field(default_factory=set)


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    found = Both(tmp_path_factory.mktemp("grown"), tmp_path_factory.mktemp("at-once"))
    patched = plan._patched

    def noted(connection, part, name, *args, **kwargs):
        planned = patched(connection, part, name, *args, **kwargs)
        found.hows.add((f"{part.schema}.{name}", planned.how))
        return planned

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(plan, "_patched", noted)
        # of so small a business a day makes nearly everything anew; it is to be patched all the same
        monkeypatch.setattr(plan, "MOST_REPLACED", 1)
        for day, rows in histories.deliveries(SEED, HISTORIES):
            _declare(found.grown, day)
            _deliver(found.grown, day, rows)
            _deliver(found.at_once, day, rows)
            e2e.build(found.grown, progress=found.said.append)
            record = (found.grown / "warehouse" / "built.json").read_text(encoding="utf-8")
            found.made_from.append(json.loads(record)["from"])
    _declare(found.at_once, day)
    e2e.build(found.at_once)
    return found


def test_only_the_first_build_is_full(both):
    assert [origin is None for origin in both.made_from] == [True] + 10 * [False]


def test_a_batch_changes_no_row_that_its_condition_misses(both):
    """The published file is patched by these conditions; a row beyond has its table copied, which is said."""
    assert not [line for line in both.said if "copied anew" in line]
    assert {name for name, how in both.hows if how == "patch"} == {
        "marts.customer_nps_features",
        "marts.dim_customer_history",
        "marts.dim_customers",
        "marts.fct_nps_churn",
        "marts.fct_nps_responses",
    }


@pytest.mark.parametrize("part", ["nps", "restricted"])
def test_batches_end_where_a_full_build_does(both, part):
    schema = "marts" if part == "nps" else "restricted"
    with duckdb.connect() as connection:
        for name, root in (("grown", both.grown), ("once", both.at_once)):
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
    with duckdb.connect(
        str(both.at_once / "warehouse" / "nps.duckdb"), read_only=True
    ) as connection:

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
