"""What a source says of its rows, from landing to the published figures.

One small workspace holds a source of each kind: a survey tool's export with statuses and a list of
test customers, dated full exports, and a scale with labels. A second build takes the rules away.
"""

from __future__ import annotations

import e2e_support as e2e
import pytest

NPS = {"metric": "nps", "survey_type": "relational", "scale": "0-10"}
COLUMNS = {"response_id": "id", "customer_id": "who", "score": "score", "submitted_at": "at"}
TOOL = {
    "name": "tool",
    "entity": "survey_responses",
    "files": "*.csv",
    "columns": {**COLUMNS, "email": "mail"},
    "constants": NPS,
    "only": {"status": ["Complete", "Finished"]},
    "exclude": {"email_domain": ["example.com"], "customer_id": "file:testers.txt"},
}
DATED = {
    "name": "dated",
    "entity": "survey_responses",
    "files": "export_*.csv",
    "columns": {**COLUMNS, "comment": "why", "is_deleted": "gone"},
    "constants": NPS,
    "snapshot_at": "export_%Y%m%d.csv",
}
LABELS = {
    "name": "labels",
    "entity": "survey_responses",
    "files": "*.csv",
    "columns": COLUMNS,
    "constants": {"metric": "csat", "survey_type": "ticket", "scale": "1-5"},
    "values": {"score": {"Awful": 1, "Fine": 4, "Great": 5, "No opinion": None}},
    "null_values": ["-99"],
}
SETTINGS = {"version": 1, "as_of": "2025-12-31", "sources": [TOOL, DATED, LABELS]}
DAY = "2025-06-01"
# id, who, score, status, e-mail; what becomes of it
EXPORT = (
    (("1", "A", "10", "Complete", "a@corp.example"), "accepted"),
    (("2", "B", "9", " finished ", ""), "accepted"),
    (("3", "C", "0", "Partial", "c@corp.example"), "excluded"),
    (("4", "D", "0", "", ""), "excluded"),
    (("5", "E", "0", "Complete", "Tester@Example.com"), "excluded"),
    (("6", "T1", "0", "Complete", ""), "excluded"),
    (("7", "F", "3", "Complete", "f@corp.example"), "accepted"),
    (("8", "G", "eleven", "Complete", ""), "quarantined"),
    (("9", "H", "eleven", "Partial", ""), "excluded"),
)
FIRST = (
    ("1", "A", "10", "good", ""),
    ("2", "B", "9", "good", ""),
    ("3", "C", "2", "slow", ""),
    ("4", "D", "0", "away", "X"),
)
SECOND = (
    ("1", "A", "10", "good", ""),  # the same: a duplicate of the first
    ("2", "B", "3", "worse", ""),  # edited: the first is superseded
    ("3", "C", "2", "slow", "ja"),  # removed
    ("4", "D", "0", "away", ""),  # removed before, for good
    ("5", "E", "8", "", "nein"),
)
LABELLED = (
    ("1", "Great"),
    ("2", "fine"),
    ("3", "Awful"),
    ("4", "no opinion"),
    ("5", "-99"),
    ("6", "Good"),
)
FATES = ("delivered", "accepted", "quarantined", "duplicate", "superseded", "deleted", "excluded")


def fates(root) -> dict[str, tuple[int, ...]]:
    sums = ", ".join(f"sum(rows_{fate})::bigint" for fate in FATES)
    found = e2e.marts(root, f"select source, {sums} from marts.ingest_reconciliation group by 1")
    return {source: tuple(counts) for source, *counts in found}


def scores(root, source: str) -> dict[str, int]:
    rows = e2e.marts(
        root, f"select response_id, score from marts.fct_nps_responses where source = '{source}'"
    )
    return dict(rows)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = e2e.declare(tmp_path_factory.mktemp("sources"), SETTINGS)
    (root / "testers.txt").write_text("T0\nT1\n")
    rows = [
        (number, who, score, status, mail, DAY) for (number, who, score, status, mail), _ in EXPORT
    ]
    header = ("id", "who", "score", "status", "mail", "at")
    e2e.deliver(root, "tool/export.csv", e2e.csv_text(header, rows))
    header = ("id", "who", "score", "why", "gone", "at")
    # the newer export is delivered first: its date decides, not its arrival
    for name, export in (("export_20250801.csv", SECOND), ("export_20250701.csv", FIRST)):
        e2e.deliver(root, f"dated/{name}", e2e.csv_text(header, [(*row, DAY) for row in export]))
    rows = [(number, number, label, DAY) for number, label in LABELLED]
    e2e.deliver(root, "labels/a.csv", e2e.csv_text(("id", "who", "score", "at"), rows))
    e2e.build(root, only=e2e.FACTS)
    return root


@pytest.fixture(scope="module")
def before(root):
    """What the first build published, before any test changes the rules."""
    sources = ("tool", "dated", "labels")
    return fates(root), {source: scores(root, source) for source in sources}


def test_excluded_rows_are_counted_apart(before):
    counts, found = before
    expected = [sum(fate == each for _, fate in EXPORT) for each in FATES[1:]]
    assert counts["tool"] == (len(EXPORT), *expected)
    assert found["tool"] == {"1": 10, "2": 9, "7": 3}


def test_the_newer_of_two_dated_exports_counts(before):
    counts, found = before
    assert found["dated"] == {"1": 10, "2": 3, "5": 8}
    # 9 rows: 3 answers, 1's copy, 2's, 3's and both of 4's older rows, 3's and 4's tombstones
    assert counts["dated"] == (9, 3, 0, 1, 3, 2, 0)


def test_labels_are_scores(before, root):
    counts, found = before
    assert found["labels"] == {"1": 5, "2": 4, "3": 1}
    assert counts["labels"] == (6, 3, 3, 0, 0, 0, 0)
    reasons = e2e.restricted(
        root,
        "select reason, count(*) from restricted.quarantined_rows where source = 'labels' group by 1",
    )
    assert dict(reasons) == {"score_missing": 2, "score_not_a_whole_number": 1}


def test_excluded_rows_come_back(before, root):
    tool = {key: value for key, value in TOOL.items() if key not in ("only", "exclude")}
    e2e.redeclare(root, sources=[tool, DATED, LABELS])
    e2e.build(root, only=e2e.FACTS)
    accepted, quarantined = len(EXPORT) - 2, 2  # eleven is no score
    assert fates(root)["tool"] == (len(EXPORT), accepted, quarantined, 0, 0, 0, 0)
    assert scores(root, "tool").keys() == {"1", "2", "3", "4", "5", "6", "7"}
    counts, _ = before
    assert fates(root)["dated"] == counts["dated"]
