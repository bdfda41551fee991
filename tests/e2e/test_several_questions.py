"""One file with several questions in each row, which feeds answers and customers alike.

The first delivery goes through a whole run with its checks; a second one edits rows, and a day
later an answer is no longer in the future. Both are batches, and end where one build of all does.
"""

from __future__ import annotations

import e2e_support as e2e
import pytest

ANSWERS = [
    {"score": "nps", "comment": "why", "metric": "nps", "scale": "0-10"},
    {"name": "care", "score": "csat", "comment": "csat_why", "submitted_at": "csat_at",
     "metric": "csat", "scale": "1-5", "touchpoint": "Support"},
]  # fmt: skip
SOURCES = [
    {
        "name": "form",
        "entity": "survey_responses",
        "files": "*.csv",
        "columns": {"response_id": "id", "customer_id": "who", "submitted_at": "at", "updated_at": "edited"},
        "constants": {"survey_type": "relational"},
        "answers": ANSWERS,
    },
    {
        "name": "form",
        "entity": "customers",
        "files": "*.csv",
        "columns": {"customer_id": "who"},
        "attributes": {"plan": "plan"},
        "snapshot_at": "edited",
    },
]  # fmt: skip
SETTINGS = {"version": 1, "as_of": "2026-03-31", "segments": ["plan"], "sources": SOURCES,
            "max_quarantine_rate": 0.5, "min_group_size": 1}  # fmt: skip
HEADER = "id,who,plan,at,nps,why,csat,csat_why,csat_at,edited\n"
FIRST = (
    HEADER
    + "1,u1,Pro,2026-01-05,10,great,5,fast,2026-01-06,2026-01-05\n"
    + "2,u2,Pro,2026-01-06,3,slow,2,,2026-01-07,2026-01-06\n"
    + "3,u3,Free,2026-01-07,9,,4,,2026-01-08,2026-01-07\n"
    + "4,u4,Free,2026-01-08,7,meh,,,,2026-01-08\n"  # the second was not asked
    + "5,u5,Pro,2026-01-09,8,ok,3,,2026-04-02,2026-01-09\n"  # nor has it been answered yet
    + ",u6,Pro,2026-01-10,9,,9,,2026-01-10,2026-01-10\n"  # no id
    + "7,u7,Pro\n"
)
SECOND = (
    HEADER
    + "2,u2,Free,2026-01-06,6,slow,5,better,2026-01-07,2026-02-01\n"
    + "1,u1,Pro,2026-01-05,10,great,,,,2026-02-01\n"  # the second is taken back
)
TABLES = (*e2e.FACTS, "fct_nps_by_segment_period")
FATES = ("delivered", "accepted", "quarantined", "duplicate", "superseded", "deleted")


def fates(root, entity: str) -> tuple[int, ...]:
    sums = ", ".join(f"sum(rows_{fate})::bigint" for fate in FATES)
    ((*counts,),) = e2e.marts(
        root, f"select {sums} from marts.ingest_reconciliation where entity = '{entity}'"
    )
    return tuple(counts)


def scores(root, metric: str) -> dict[str, int]:
    rows = e2e.marts(
        root, f"select response_id, score from marts.fct_nps_responses where metric = '{metric}'"
    )
    return dict(rows)


def reasons(root) -> dict[tuple[str, int], int]:
    rows = e2e.restricted(
        root,
        "select reason, row_number, count(*) from restricted.quarantined_rows "
        "where entity = 'survey_responses' group by all",
    )
    return {(reason, number): count for reason, number, count in rows}


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    root = e2e.declare(tmp_path_factory.mktemp("form"), SETTINGS)
    e2e.deliver(root, "form/first.csv", FIRST)
    e2e.build(root, only=TABLES)
    found = {
        "fates": {entity: fates(root, entity) for entity in ("survey_responses", "customers")},
        "scores": {metric: scores(root, metric) for metric in ("nps", "csat")},
        "reasons": reasons(root),
        "comments": e2e.restricted(
            root, "select response_id, comment from restricted.response_comments "
            "join (select unnest(['1|nps', '1|care', '2|nps', '4|nps', '5|nps']) as response_id) "
            "on response_key = md5('form|' || response_id)::uuid",
        ),
        "plans": e2e.marts(
            root, "select segment, nps, responses from marts.fct_nps_by_segment_period "
            "where dimension = 'plan' and metric = 'nps' and time_grain = 'all' "
            "and basis = 'responses' order by all",
        ),
        "touchpoints": e2e.marts(
            root, "select distinct metric, touchpoint from marts.fct_nps_responses order by all"
        ),
    }  # fmt: skip
    return root, found


def test_every_question_is_an_answer_of_its_own(first):
    _, found = first
    assert found["scores"] == {
        "nps": {"1|nps": 10, "2|nps": 3, "3|nps": 9, "4|nps": 7, "5|nps": 8},
        "csat": {"1|care": 5, "2|care": 2, "3|care": 4},
    }
    assert found["touchpoints"] == [("csat", "Support"), ("nps", None)]


def test_delivered_rows_count_once_a_question_and_once_if_unread(first):
    _, found = first
    # 6 rows of 2 questions and 1 that cannot be read; 5 + 3 are accepted
    assert found["fates"]["survey_responses"] == (13, 8, 5, 0, 0, 0)
    assert found["reasons"] == {
        ("missing_id", 7): 2, ("wrong_width", 8): 1, ("score_missing", 5): 1, ("future", 6): 1,
    }  # fmt: skip


def test_the_same_file_feeds_the_customers(first):
    _, found = first
    assert found["fates"]["customers"] == (7, 6, 1, 0, 0, 0)
    # Pro 10 3 8: nobody in balance; Free 9 7: half are promoters
    assert found["plans"] == [("Free", 50.0, 2), ("Pro", 0.0, 3)]


def test_each_answer_has_its_own_comment(first):
    _, found = first
    assert sorted(found["comments"]) == [
        ("1|care", "fast"), ("1|nps", "great"), ("2|nps", "slow"), ("4|nps", "meh"), ("5|nps", "ok"),
    ]  # fmt: skip


def test_later_deliveries_end_where_one_build_does(first, tmp_path):
    root, _ = first
    e2e.deliver(root, "form/second.csv", SECOND)
    e2e.build(root, only=TABLES)
    assert scores(root, "csat") == {"2|care": 5, "3|care": 4}
    assert scores(root, "nps") == {"1|nps": 10, "2|nps": 6, "3|nps": 9, "4|nps": 7, "5|nps": 8}
    e2e.redeclare(root, as_of="2026-04-30")
    e2e.build(root, only=TABLES)
    assert scores(root, "csat") == {"2|care": 5, "3|care": 4, "5|care": 3}
    # 13 + 4 rows; 8 answers count; both of both customers are superseded, one of them by a row
    # without a score; the other refused rows are as they were but for the one that waited
    assert fates(root, "survey_responses") == (17, 8, 5, 0, 4, 0)

    at_once = e2e.declare(tmp_path / "at_once", {**SETTINGS, "as_of": "2026-04-30"})
    e2e.deliver(at_once, "form/first.csv", FIRST)
    e2e.deliver(at_once, "form/second.csv", SECOND)
    e2e.build(at_once, only=TABLES)
    one, other = e2e.tables_of(root), e2e.tables_of(at_once)
    different = {name for name in one if one[name] != other[name]}
    assert different <= {"marts.nps_restatements"}
