"""A batch on top of the previous build ends with the same tables as a full build.

Two hundred random histories (`histories.py`), each delivered on a first day and ten further ones:
after every second of these the workspace is refreshed, and in the end its tables must be those of a
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

from orchestration.publish.folders import generation_ids
from orchestration.warehouse.database import open_build
from orchestration.warehouse.dbt import changed_rows, prepare_manifest
from orchestration.workspace.load import load_workspace

HISTORIES = 200
DAYS_OF_A_BATCH = 2
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
        made_from: of each build of the first what it went on from; None: it was a full build.
        kept: the tables of which some batch kept rows, as its condition says.
        missed: tables and rows that a batch changed though its condition does not hold for them.
    """

    grown: Path
    at_once: Path
    made_from: list[str | None] = field(default_factory=list)
    kept: set[str] = field(default_factory=set)
    missed: list[tuple[str, list[tuple]]] = field(default_factory=list)


def _compare(found: Both) -> None:
    """Compare the rows that the last batch kept with those published before it."""
    workspace = load_workspace(found.grown)
    before = workspace.published / "generations" / generation_ids(workspace.published)[-2]
    with open_build(workspace) as connection:
        connection.execute(f"attach '{before}/nps.duckdb' as marts_before (read_only)")
        connection.execute(f"attach '{before}/restricted.duckdb' as restricted_before (read_only)")
        for name, condition in changed_rows(prepare_manifest(workspace)).items():
            schema = name.split(".")[0]
            if schema not in ("marts", "restricted"):
                continue
            old, new = (
                f"select * from {schema}_{which}.{name} where not coalesce({condition}, false)"
                for which in ("before", "file")
            )
            for one, other in ((old, new), (new, old)):
                rows = connection.execute(f"{one} except all {other} limit 3").fetchall()
                found.missed += [(name, rows)] if rows else []
            if connection.execute(f"{new} limit 1").fetchall():
                found.kept.add(name)


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    found = Both(tmp_path_factory.mktemp("grown"), tmp_path_factory.mktemp("at-once"))
    for number, (day, rows) in enumerate(histories.deliveries(SEED, HISTORIES)):
        _deliver(found.grown, day, rows)
        _deliver(found.at_once, day, rows)
        if number % DAYS_OF_A_BATCH:
            continue
        _declare(found.grown, day)
        e2e.build(found.grown)
        record = (found.grown / "warehouse" / "built.json").read_text(encoding="utf-8")
        found.made_from.append(json.loads(record)["from"])
        if found.made_from[-1] is not None:
            _compare(found)
    _declare(found.at_once, day)
    e2e.build(found.at_once)
    return found


def test_only_the_first_build_is_full(both):
    assert [origin is None for origin in both.made_from] == [True] + 5 * [False]


def test_a_batch_changes_no_row_that_its_condition_misses(both):
    """Publishing and the gate rely on these conditions."""
    assert both.missed == []
    assert both.kept == {
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
    with open_build(load_workspace(both.at_once)) as connection:

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
        assert count("intermediate.int_invitations_followed where not is_answered") > 50
        assert count("marts.fct_nps_churn where days_to_churn is not null") > 20
