"""A delivery of one entity starts what reads it and nothing else, and ends where a full build does.

Histories (`histories.py`) of six days are built at once. The further days then come one entity at a
time while as_of stays, so that rows wait for their date; in the end as_of moves past them.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import e2e_support as e2e
import histories
import pytest

HISTORIES = 20
SEED = 7
BUILT_AT_ONCE = 6
LAST = "crm/tickets"


@dataclass(frozen=True)
class Grown:
    """The workspace to which the last days were delivered entity by entity.

    Attributes:
        root: its folder.
        kept: of each delivery by kind of file the tables that its batch left as they were.
        run: the run that took in the last kind of file.
        files: the published Parquet files before that run, by table.
        files_after: those after it.
        kept_by_as_of: the tables that stayed when as_of moved.
        at_once: the workspace that took in everything at once.
    """

    root: Path
    kept: dict[str, set[str]]
    run: e2e.Run
    files: dict[str, int]
    files_after: dict[str, int]
    kept_by_as_of: set[str]
    at_once: Path


def _deliver(root: Path, day: date, name: str, lines: list[list[str]]) -> None:
    if lines:
        text = e2e.csv_text(histories.HEADERS[name], lines)
        e2e.deliver(root, f"{name}_{day:%Y%m%d}.csv", text)


def _declare(root: Path, day: date) -> None:
    e2e.declare(root, {**histories.SETTINGS, "as_of": day.isoformat()})


def _record(root: Path) -> dict:
    return json.loads((root / "warehouse" / "built.json").read_text(encoding="utf-8"))


def _nodes(root: Path) -> list[str]:
    """The unique ids of the recorded build's seeds, models and tests."""
    events = _record(root)["events"]
    return sorted(event["data"]["node_info"]["unique_id"] for event in events)


def _parquet(root: Path) -> dict[str, int]:
    """The numbers of the published Parquet files: of two links to one file they are equal."""
    folder = root / "published" / "parquet"
    return {path.stem: path.stat().st_ino for path in folder.rglob("*.parquet")}


@pytest.fixture(scope="module")
def grown(tmp_path_factory) -> Grown:
    root, at_once = tmp_path_factory.mktemp("grown"), tmp_path_factory.mktemp("at-once")
    days = list(histories.deliveries(SEED, HISTORIES))
    last = days[-1][0]
    first, further = days[:BUILT_AT_ONCE], days[BUILT_AT_ONCE:]
    for day, rows in days:
        for name, lines in rows.items():
            _deliver(at_once, day, name, lines)
    _declare(root, first[-1][0])
    _declare(at_once, last)
    for day, rows in first:
        for name, lines in rows.items():
            _deliver(root, day, name, lines)
    e2e.build(root)
    kept = {}
    for name in sorted(histories.HEADERS, key=lambda name: (name == LAST, name)):
        for day, rows in further:
            _deliver(root, day, name, rows[name])
        if name == LAST:
            files = _parquet(root)
            run = e2e.run(root, "run")
            assert run.code == 0, run.out + run.err
        else:
            e2e.build(root)
        assert _record(root)["from"] is not None, f"{name}: a full build"
        kept[name] = set(_record(root)["kept"])
    files_after = _parquet(root)
    _declare(root, last)
    e2e.build(root)
    assert _record(root)["from"] is not None
    e2e.build(at_once)
    kept_by_as_of = set(_record(root)["kept"])
    return Grown(root, kept, run, files, files_after, kept_by_as_of, at_once)


def test_a_delivery_of_tickets_starts_no_model_of_answers(grown):
    started = set(re.findall(r"\d+/\d+ (\w+): (?:success|pass)", grown.run.out))
    assert {"int_support_tickets_versioned", "customer_nps_features"} <= started
    assert not started & {"int_survey_responses_versioned", "fct_nps_responses", "dim_customers"}
    models = [name for name in _nodes(grown.root) if name.startswith("model.")]
    assert len(started) + len(grown.kept[LAST]) == len(models)
    (left_out, total) = re.search(
        r"(\d+) of (\d+) seeds, models and tests have nothing new to read", grown.run.out
    ).groups()
    assert int(total) == len(_nodes(grown.root))
    assert len(grown.kept[LAST]) < int(left_out) < int(total)


def test_the_record_and_dagster_know_every_node_after_a_batch(grown):
    """Every one that a full build knows: a step whose parent is missing would not be run."""
    assert _nodes(grown.root) == _nodes(grown.at_once)
    assert "is published" in grown.run.out


def test_a_table_that_stays_keeps_its_parquet_file(grown):
    stayed = {name.split(".")[1] for name in grown.kept[LAST] if name.startswith("marts.")}
    assert {"fct_nps_responses", "fct_nps_by_period", "earned_growth"} <= stayed
    same = {name for name, file in grown.files.items() if grown.files_after[name] == file}
    assert stayed <= same


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("pulse/responses", "intermediate.int_survey_responses_versioned"),
        ("pulse/invitations", "intermediate.int_survey_responses_versioned"),
        ("crm/invoices", "marts.customer_nps_features"),
        ("crm/customers", "marts.fct_nps_responses"),
    ],
)
def test_what_reads_a_delivery_is_started(grown, name, model):
    assert model not in grown.kept[name]


def test_as_of_starts_delivered_rows_that_waited(grown):
    assert "intermediate.int_survey_responses_versioned" not in grown.kept_by_as_of
    assert "intermediate.int_leads_versioned" in grown.kept_by_as_of


def test_entity_by_entity_ends_where_a_full_build_does(grown):
    parts, tables = {}, 0
    for part in ("nps", "restricted"):
        schema = "marts" if part == "nps" else "restricted"
        with e2e.opened(grown.at_once / "published" / f"{part}.duckdb") as connection:
            path = grown.root / "published" / f"{part}.duckdb"
            connection.execute(f"attach '{path}' as grown (read_only)")
            names = connection.execute(
                "select table_name from duckdb_tables() where database_name = 'grown' "
                "and table_name not in ('_generation', 'nps_restatements') order by all"
            ).fetchall()
            for (table,) in names:
                one, other = f"{schema}.{table}", f"grown.{schema}.{table}"
                difference = connection.execute(
                    f"(from {one} except all from {other}) union all "
                    f"(from {other} except all from {one}) limit 3"
                ).fetchall()
                tables += 1
                if difference:
                    parts[table] = difference
    assert tables > 20
    assert not parts
