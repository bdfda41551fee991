"""Whole workspaces of unusual deliveries: workbooks, archives, addresses where ids belong.

Cases that people met lie in ``../shared/cases`` beside the repository, each with what is right in
its ``expected.txt``; without the folder these tests are skipped.
"""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import e2e_support as e2e
import pytest
import yaml

CASES = e2e.REPOSITORY.parent / "shared" / "cases"
NPS = {"metric": "nps", "survey_type": "relational", "scale": "0-10"}
ADDRESS = "bob@example.com"


def taken_from(case: str, root: Path, **changes: object) -> Path:
    """Build the workspace of a case; ``changes`` are made to its only source."""
    if not (CASES / case).is_dir():
        pytest.skip(f"needs {CASES / case}")
    shutil.copytree(CASES / case / "landing", root / "landing")
    content = yaml.safe_load((CASES / case / "workspace.yml").read_text(encoding="utf-8"))
    content["sources"][0] |= changes
    content["min_group_size"] = 1
    e2e.build(e2e.declare(root, content), only=e2e.FACTS)
    return root


def scores(root: Path) -> dict[str, tuple[int, float]]:
    """Answers and NPS of each month and of all, from the published answers."""
    rows = e2e.marts(
        root,
        "select coalesce(strftime(responded_on, '%Y-%m'), 'all'), count(*), avg(contribution) "
        "from marts.fct_nps_responses group by rollup (strftime(responded_on, '%Y-%m'))",
    )
    return {month: (count, nps) for month, count, nps in rows}


def counted(root: Path) -> tuple[int, ...]:
    """Rows delivered, accepted and quarantined of all files."""
    ((*counts,),) = e2e.marts(
        root,
        "select sum(rows_delivered)::int, sum(rows_accepted)::int, sum(rows_quarantined)::int "
        "from marts.ingest_reconciliation",
    )
    return tuple(counts)


def test_the_case_of_a_workbook(tmp_path):
    root = taken_from("excel_workbook", tmp_path)
    # 10 9 | 2 8 9: January 100 (2 - 0) / 2, February 100 (1 - 1) / 3, all 100 (3 - 1) / 5
    assert scores(root) == {"2026-01": (2, 100.0), "2026-02": (3, 0.0), "all": (5, 40.0)}
    assert counted(root) == (7, 5, 2)
    reasons = e2e.restricted(
        root, "select row_number, reason from restricted.quarantined_rows order by all"
    )
    assert [number for number, _ in reasons] == [8, 10]
    assert reasons[0] == (8, "score_missing")


@pytest.mark.parametrize(
    ("formats", "answers"), [([], 2), (["excel"], 3)], ids=["as declared", "with Excel's days"]
)
def test_the_case_of_what_was_typed_by_hand(tmp_path, formats, answers):
    declared = ["iso", "%d/%m/%Y", "%d-%b-%Y", "%B %d, %Y", *formats]
    root = taken_from("typed_by_hand", tmp_path, timestamps={"submitted_at": declared})
    # 9 and 4, with day 46044 also a passive 7: 100 (1 - 1) / n
    assert scores(root)["all"] == (answers, 0.0)


@pytest.fixture(scope="module")
def addressed(tmp_path_factory):
    """Addresses as ids of answers, customers and surveys, and in files' names; one is compressed."""
    root = e2e.declare(
        tmp_path_factory.mktemp("addressed"),
        {
            "version": 1,
            "as_of": "2025-12-31",
            "min_group_size": 1,
            "sources": [
                {
                    "name": "forms",
                    "entity": "survey_responses",
                    "files": "*.gz",
                    "columns": {"response_id": "id", "customer_id": "who", "score": "score",
                                "submitted_at": "at", "survey_id": "survey"},
                    "constants": NPS,
                },
                {
                    "name": "forms",
                    "entity": "customers",
                    "files": "people*.csv",
                    "columns": {"customer_id": "who"},
                },
            ],
        },
    )  # fmt: skip
    rows = [
        (ADDRESS, ADDRESS, "9", "2025-06-01", ADDRESS),
        ("2", "ann＠example.com", "0", "2025-06-02", "s1"),
        ("3", "c3", "10", "2025-06-03", "s1"),
    ]
    text = e2e.csv_text(("id", "who", "score", "at", "survey"), rows)
    e2e.deliver(root, f"forms/{ADDRESS}.csv.gz", gzip.compress(text.encode()))
    e2e.deliver(root, f"forms/people of {ADDRESS}.csv", e2e.csv_text(("who",), [(ADDRESS,)]))
    e2e.build(root, only=e2e.FACTS)
    return root


def test_an_address_in_place_of_an_id_is_published_as_its_key(addressed):
    rows = e2e.marts(
        addressed,
        "select score, response_id = response_key::varchar, survey_id = survey_key::varchar, "
        "response_id from marts.fct_nps_responses order by score",
    )
    assert [row[:3] for row in rows] == [(0, False, False), (9, True, True), (10, False, False)]
    assert [row[3] for row in rows if not row[1]] == ["2", "3"]
    ids = e2e.marts(
        addressed,
        "select customer_id, customer_key::varchar, is_inferred from marts.dim_customers",
    )
    assert sorted(inferred for *_, inferred in ids) == [False, True, True]
    assert {shown for shown, key, _ in ids if shown != key} == {"c3"}


def test_a_files_name_with_an_address_is_its_hash(addressed):
    rows = e2e.marts(
        addressed, "select file_name = file_sha256, file_status from marts.ingest_reconciliation"
    )
    assert rows == [(True, "loaded")] * 2


def test_those_who_may_see_it_see_the_id(addressed):
    ((shown,),) = e2e.restricted(
        addressed, "select customer_id from restricted.customer_identities"
    )
    assert shown == ADDRESS
