"""What the ledger keeps of headline figures, and what the models get to know of it."""

from __future__ import annotations

import json
from datetime import date

import pyarrow.parquet as pq
import pytest
from publish_support import Answer, Facts, make_workspace, write_build

from orchestration.publish.ledger import (
    read_ledger,
    record_published,
    write_lake_tables,
    write_published_figures,
)
from orchestration.publish.publish import publish

# January 2025: 3 promoters, 1 passive, 2 detractors; November: 2 promoters; December: 1 detractor.
ANSWERS = [Answer(date(2025, 1, 10), score) for score in (9, 9, 10, 8, 0, 6)]
ANSWERS += [Answer(date(2025, 11, 3), 10)] * 2 + [Answer(date(2025, 12, 30), 3)]
FACTS = Facts(answers=ANSWERS)


@pytest.fixture
def workspace(tmp_path):
    return make_workspace(tmp_path / "ws")


def build_and_publish(workspace, facts: Facts) -> list[list]:
    """The figures that the new generation's line holds."""
    write_build(workspace, facts)
    return publish(workspace, inputs_hash="x", versions={"dbt": "1.11"}).figures


def first_published(workspace) -> dict[tuple, tuple]:
    """(grain, start, basis): counts and as_of of the first publication, as the models get it."""
    write_published_figures(workspace)
    return {
        (row["time_grain"], str(row["period_start"]), row["basis"]): (
            *(row[name] for name in ("promoters", "passives", "detractors")),
            str(row["as_of_on"]),
        )
        for row in pq.read_table(workspace.published_figures).to_pylist()
    }


def test_every_figure_of_a_period_that_is_over_is_recorded_once(workspace):
    figures = build_and_publish(workspace, FACTS)
    keys = {(grain, start, basis) for _, _, grain, start, _, basis, *_ in figures}
    periods = [("month", f"2025-{month}-01") for month in ("01", "11", "12")]
    periods += [("quarter", "2025-01-01"), ("quarter", "2025-10-01")]  # publish_support has these
    assert keys == {(*key, basis) for key in periods for basis in ("responses", "customers")}
    assert ["nps", "relational", "month", "2025-01-01", "2025-01-31", "responses", 3, 1, 2] in (
        figures
    )
    # nothing new to say: nothing is said again
    assert build_and_publish(workspace, FACTS) == []
    assert [len(line["figures"]) for line in read_ledger(workspace)] == [10, 0]


def test_a_period_that_is_not_over_is_not_on_record(tmp_path):
    text = (make_workspace(tmp_path / "other").root / "workspace.yml").read_text()
    workspace = make_workspace(tmp_path / "ws", text.replace("2025-12-31", "2025-12-30"))
    figures = build_and_publish(workspace, FACTS)
    assert {(f[2], f[3]) for f in figures} == {
        ("month", "2025-01-01"),
        ("month", "2025-11-01"),
        ("quarter", "2025-01-01"),
    }


def test_what_was_said_first_stays_whatever_comes_later(workspace):
    build_and_publish(workspace, FACTS)
    late = Facts(answers=[*ANSWERS, Answer(date(2025, 1, 31), 1)])
    changed = build_and_publish(workspace, late)
    # January and its quarter, in both bases
    assert {(f[2], f[3], f[5], *f[6:]) for f in changed} == {
        (grain, "2025-01-01", basis, 3, 1, 3)
        for grain in ("month", "quarter")
        for basis in ("responses", "customers")
    }
    # all of January is removed: said again, as nothing
    gone = build_and_publish(workspace, Facts(answers=ANSWERS[6:]))
    assert {(f[2], f[3], *f[6:]) for f in gone} == {
        ("month", "2025-01-01", 0, 0, 0),
        ("quarter", "2025-01-01", 0, 0, 0),
    }
    assert build_and_publish(workspace, Facts(answers=ANSWERS[6:])) == []
    first = first_published(workspace)
    assert first["month", "2025-01-01", "responses"] == (3, 1, 2, "2025-12-31")
    assert len(first) == 10


def test_figures_of_another_fiscal_year_are_no_restatement(tmp_path):
    """A fiscal year from April was published; the workspace's begins in July now, then in April again."""
    text = (make_workspace(tmp_path / "other").root / "workspace.yml").read_text()
    workspace = make_workspace(tmp_path / "ws", f"{text}fiscal_year_start: 7\n")
    figure = ["nps", "relational", "fiscal_year", "2024-04-01", "2025-03-31", "responses", 3, 1, 2]
    line = json.dumps({"generation_id": "1", "as_of_on": "2025-06-30", "figures": [figure]})
    (workspace.published / "ledger.jsonl").write_text(f"{line}\n")
    assert not [f for f in build_and_publish(workspace, FACTS) if f[2] == "fiscal_year"]
    again = make_workspace(tmp_path / "ws", f"{text}fiscal_year_start: 4\n")
    gone = [f for f in build_and_publish(again, FACTS) if f[2] == "fiscal_year"]
    assert gone == [[*figure[:6], 0, 0, 0]]  # publish_support counts no fiscal year


def test_a_ledger_without_figures_or_with_a_torn_line_is_read(workspace):
    (workspace.published / "ledger.jsonl").write_text(
        json.dumps({"generation_id": "of an older version", "as_of_on": "2025-01-01"})
        + '\n{"generation_id": "torn", "figures": [["nps", "rela'
    )
    assert first_published(workspace) == {}
    build_and_publish(workspace, FACTS)
    assert len(first_published(workspace)) == 10


def test_a_killed_runs_figures_are_owed_with_its_line(workspace):
    build_and_publish(workspace, FACTS)
    ledger = workspace.published / "ledger.jsonl"
    line = ledger.read_bytes()
    ledger.unlink()
    assert record_published(workspace) is True
    assert ledger.read_bytes() == line


def test_the_next_run_knows_what_a_killed_one_published_first(workspace):
    """The line is owed before the models are built: what follows is a restatement."""
    build_and_publish(workspace, FACTS)
    (workspace.published / "ledger.jsonl").unlink()
    write_lake_tables(workspace)
    assert len(read_ledger(workspace)) == 1
    assert pq.read_table(workspace.published_figures).num_rows == 10


def test_the_table_is_left_alone_where_nothing_changed(workspace):
    build_and_publish(workspace, FACTS)
    write_published_figures(workspace)
    before = workspace.published_figures.stat().st_mtime_ns
    write_published_figures(workspace)
    assert workspace.published_figures.stat().st_mtime_ns == before
