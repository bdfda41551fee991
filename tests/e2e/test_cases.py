"""Cases of people who do this job: each folder holds the settings, the files and what is right.

The folders are beside the repository and no part of it: without them these tests skip. What a
case says in its `expected.txt` is computed again here. Cases whose settings agree are built in one
workspace, as sources of different names know nothing of each other. `excel_workbook` and `typed_by_hand` are in
test_deliveries.py, `build_file_held` is the procedure of tests/warehouse/test_held.py.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import e2e_support as e2e
import pytest
import yaml

from orchestration.core.errors import UserError
from orchestration.quality import gate
from orchestration.quality.boundaries import MARTS
from orchestration.workspace.load import load_workspace

CASES = e2e.REPOSITORY.parent / "shared/cases"
# The score of each case's answers, and how many there are.
SCORES = {
    "alchemer_status": (100 * (4 - 1) / 6, 6),  # 10 9 9 8 3 10 are complete
    "bigblank": (100 * (18 - 2) / 31, 31),
    "float_scores": (100 * (3 - 1) / 5, 5),  # 9 10 6 8 9
    "google_forms_literal": (100 * (2 - 1) / 4, 4),  # 10 9 2 8
    "label_scores": (100 * (3 - 1) / 6, 6),  # 10 9 0 10 8 7
    "two_metrics_one_file": (100 * (2 - 1) / 3, 3),  # 10 3 9
    "one_to_ten": (100 * (2 - 2) / 5, 5),  # 10 9 | 7 | 1 6
    "same_person": (100 * (3 - 3) / 6, 6),  # 2 2 9 9 9 and 0
    "weekly_full_export_snapshot": (100 * (3 - 1) / 5, 5),  # 10 9 2 9 8, the second one's words
}
# Delivered rows of each case that are no answers, by reason.
REFUSED = {
    "alchemer_status": {"incomplete_answer": 2, "test_answer": 1},
    "bigblank": {"score_missing": 5},
    "float_scores": {"score_missing": 4},
}


# Settings that are refused, each with what its line says.
MISTAKES = {
    "ambiguous_dates": "'%d/%m/%Y' and '%m/%d/%Y' both read '03/01/2026', as different times",
}


def settings_of(case: str) -> dict:
    settings = yaml.safe_load((CASES / case / "workspace.yml").read_text("utf-8"))
    return {**settings, "sources": _joined(settings["sources"])}


def source_of(case: str) -> str:
    return e2e.literal(settings_of(case)["sources"][0]["name"])


def _joined(sources: list[dict]) -> list[dict]:
    """The entries of a case; several for one file are one with several answers."""
    first = sources[0]
    if len(sources) == 1:
        return sources
    assert {(each["name"], each["entity"], each["files"]) for each in sources} == {
        (first["name"], first["entity"], first["files"])
    }
    answers = [
        {"score": each["columns"]["score"], "metric": each["constants"]["metric"],
         "scale": each["constants"]["scale"]}
        for each in sources
    ]  # fmt: skip
    columns = {name: column for name, column in first["columns"].items() if name != "score"}
    constants = {"survey_type": first["constants"]["survey_type"]}
    return [{**first, "columns": columns, "constants": constants, "answers": answers}]


# A metric has one scale in a workspace, and an address is one voice in all of its sources.
ALONE = {"one_to_ten", "same_person"}


@pytest.fixture(scope="module")
def roots(tmp_path_factory) -> dict[str, Path]:
    """The workspace of each case."""
    if not CASES.is_dir():
        pytest.skip(f"{CASES} is absent: it belongs beside the repository")
    together = [case for case in SCORES if case not in ALONE]
    groups = [together, *([case] for case in ALONE)]
    built = [(group, _build(tmp_path_factory.mktemp(group[0]), group)) for group in groups]
    return {case: root for group, root in built for case in group}


def _build(root: Path, cases: list[str]) -> Path:
    """Build some cases as sources of one workspace."""
    sources = []
    for case in cases:
        settings = settings_of(case)
        assert str(settings["as_of"]) == "2026-03-31"
        for source in settings["sources"]:
            sources.append({"timezone": settings.get("timezone", "UTC"), **source})
        shutil.copytree(CASES / case / "landing", root / "landing", dirs_exist_ok=True)
    common = {"version": 1, "as_of": "2026-03-31", "timezone": "Europe/Brussels"}
    e2e.declare(root, {**common, "sources": sources})
    e2e.build(root, only=[*e2e.FACTS, "fct_nps_by_segment_period"])
    return root


@pytest.mark.parametrize("case", MISTAKES)
def test_mistake(case):
    if not CASES.is_dir():
        pytest.skip(f"{CASES} is absent: it belongs beside the repository")
    with pytest.raises(UserError) as caught:
        load_workspace(CASES / case)
    (line,) = str(caught.value).splitlines()
    assert MISTAKES[case] in line


@pytest.mark.parametrize("case", SCORES)
def test_score(roots, case):
    ((score, answers),) = e2e.marts(
        roots[case],
        "select avg(contribution), count(*) from marts.fct_nps_responses "
        f"where source = {source_of(case)} and metric = 'nps'",
    )
    nps, count = SCORES[case]
    assert answers == count
    assert score == pytest.approx(nps)


def test_the_second_metric_of_a_file(roots):
    case = "two_metrics_one_file"
    ((score, answers),) = e2e.marts(
        roots[case],
        "select avg(contribution), count(*) from marts.fct_nps_responses "
        f"where source = {source_of(case)} and metric = 'csat'",
    )
    assert answers == 3
    assert score == pytest.approx(100 * 2 / 3)  # 5 2 4


@pytest.mark.parametrize("case", SCORES)
def test_every_row_is_accounted_for(roots, case):
    refused = e2e.restricted(
        roots[case],
        "select reason, count(*) from restricted.quarantined_rows "
        f"where source = {source_of(case)} group by reason",
    )
    assert dict(refused) == REFUSED.get(case, {})


# Answers, promoters and detractors of each month and basis, of cases that say them.
MONTHS = {
    "google_forms_literal": {
        ("2026-01", "responses"): (2, 2, 0),
        ("2026-02", "responses"): (1, 0, 1),
        ("2026-03", "responses"): (1, 0, 0),
    },
    # by people ann (latest 9), bob 9, cy 9; dee answered in February by Brussels
    "same_person": {
        ("2026-01", "responses"): (5, 3, 2),
        ("2026-01", "customers"): (3, 3, 0),
        ("2026-02", "responses"): (1, 0, 1),
        ("2026-02", "customers"): (1, 0, 1),
    },
}


@pytest.mark.parametrize("case", MONTHS)
def test_months(roots, case):
    rows = e2e.marts(
        roots[case],
        "select strftime(period_start, '%Y-%m'), basis, responses, promoters, detractors "
        "from marts.fct_nps_by_segment_period where time_grain = 'month' and metric = 'nps' "
        f"and dimension = 'survey' and segment = {e2e.literal(case)}",
    )
    found = {(month, basis): tuple(counts) for month, basis, *counts in rows}
    expected = MONTHS[case]
    assert {key: found[key] for key in expected} == expected
    assert {month for month, _ in found} == {month for month, _ in expected}


def test_a_row_that_is_delivered_twice_is_one_duplicate(roots):
    ((duplicates,),) = e2e.marts(
        roots["same_person"],
        "select sum(rows_duplicate)::int from marts.ingest_reconciliation "
        "where source = 'same_person'",
    )
    assert duplicates == 1


def test_unanswered_questions_block_nothing(roots):
    """Five of 36 rows without a score are more than a twentieth, and no mistake."""
    suites = {"ingest_reconciliation": MARTS["ingest_reconciliation"]}
    with e2e.at_one_path(roots["bigblank"]) as root:
        results = gate.check_warehouse(load_workspace(root), "marts", suites)
    assert [result.name for result in results if not result.success] == []


def case_of(case: str, root: Path, **changes: object) -> Path:
    """A copy of a case, with changes to its first entry."""
    if not CASES.is_dir():
        pytest.skip(f"{CASES} is absent: it belongs beside the repository")
    shutil.copytree(CASES / case, root)
    settings = yaml.safe_load((root / "workspace.yml").read_text("utf-8"))
    settings["sources"][0] |= changes
    return e2e.declare(root, settings)


def test_ids_written_as_floats(tmp_path):
    """Reported as they are; found once they are declared to be whole numbers."""
    root = case_of("float_ids", tmp_path / "float_ids")
    e2e.build(root, only=["ingest_match_rates"])
    suites = {"ingest_match_rates": MARTS["ingest_match_rates"]}
    with e2e.at_one_path(root) as path:
        results = gate.check_warehouse(load_workspace(path), "marts", suites)
    (failed,) = (result for result in results if not result.success)
    assert failed.where == (
        "float_ids/survey_responses: customer_id, 0 of 5 known to float_ids: 5 unknown ids",
    )
    settings = yaml.safe_load((root / "workspace.yml").read_text("utf-8"))
    settings["sources"][0]["normalise"] = {"customer_id": "integer"}
    e2e.declare(root, settings)
    e2e.build(root, only=["fct_nps_by_segment_period"])
    rows = e2e.marts(
        root,
        "select segment, responses, nps from marts.fct_nps_by_segment_period where dimension = "
        "'tier' and time_grain = 'all' and basis = 'responses' order by 1",
    )
    # gold 10 9, silver 3 2 2, and the 9 of nobody
    assert rows == [("(unknown)", 1, 100.0), ("gold", 2, 100.0), ("silver", 3, -100.0)]


def test_a_wrong_format_is_told_with_its_source(tmp_path):
    root = case_of("gate_says_why", tmp_path / "as declared")
    results = gate.check_raw(e2e.take_in(root))
    failed = [result for result in results if result.blocks]
    assert failed
    assert any("bank/survey_responses" in line and "3 rows" in line
               for result in failed for line in result.where)  # fmt: skip
    right = case_of("gate_says_why", tmp_path / "right", timestamps={"submitted_at": "%d/%m/%y"})
    e2e.build(right, only=["fct_nps_responses"])
    ((score, answers),) = e2e.marts(
        right, "select avg(contribution), count(*) from marts.fct_nps_responses"
    )
    assert (score, answers) == (pytest.approx(100 * (2 - 1) / 3), 3)  # 10 9 0


def test_a_person_counts_in_each_product_that_was_ticked(tmp_path):
    """As an attribute of several values, which is no segment: its parts overlap."""
    root = case_of("google_forms_literal", tmp_path / "forms", split={"products": ";"})
    e2e.redeclare(root, segments=None)
    e2e.build(root, only=["fct_nps_by_value_period"])
    rows = e2e.marts(
        root,
        "select segment, responses, nps from marts.fct_nps_by_value_period where dimension = "
        "'products' and time_grain = 'all' and basis = 'responses' order by 1",
    )
    # 10 2, 2 8 and 10 9
    assert rows == [("Calendar", 2, 0.0), ("Drive", 2, -50.0), ("Mail", 2, 100.0)]
