"""Segments may have any name: reserved words of SQL, names of columns, names inside the models.

Twelve customers answer once, in two rounds: then one of them moves to another `segment` and answers
again, which a batch counts.
"""

from __future__ import annotations

import json

import e2e_support as e2e
import pytest

SCORES = [9, 9, 10, 9, 7, 3, 9, 7, 8, 0, 3, 6]
# Each customer's value, by the customer's number.
VALUES = {
    "segment": lambda n: "smb" if n < 6 else "enterprise",
    "dimension": lambda n: "a" if n < 4 else "b",
    "customer_key": lambda n: "b" if n % 3 else "a",
    "order": lambda n: "repeat" if n % 2 else "first",
    # Taken by a built-in dimension, the total, a fixed column.
    "channel": lambda n: "shop",
    "all": lambda n: "everybody",
    "score": lambda n: "high",
    # Words of SQL, and columns of the models and checks that read the published tables.
    **dict.fromkeys(
        ("select", "age", "cell", "column_name", "day_on", "is_affected", "is_now", "key_hash",
         "next_on", "placed", "responses", "t", "window_days"),
        lambda n: "same",
    ),
}  # fmt: skip
SEGMENTS = list(VALUES)
TAKEN = ("customer_key", "channel", "all", "score")
PUBLISHED = [f"segment_{name}" if name in TAKEN else name for name in SEGMENTS]
SETTINGS = {
    "version": 1,
    "as_of": "2025-12-31",
    "segments": SEGMENTS,
    "min_group_size": 1,
    "sources": [
        {
            "name": "ask",
            "entity": "survey_responses",
            "files": "answers*.csv",
            "columns": {
                "response_id": "id", "customer_id": "person", "score": "score",
                "submitted_at": "at",
            },
            "constants": {"metric": "nps", "survey_type": "relational", "scale": "0-10"},
            "customer_source": "crm",
        },
        {
            "name": "crm",
            "entity": "customers",
            "files": "customers_*.csv",
            "snapshot_at": "customers_%Y%m%d.csv",
            "columns": {"customer_id": "id"},
            "attributes": {name: name for name in SEGMENTS},
        },
    ],
}  # fmt: skip


def _deliver(root, day: str, scores: dict[int, int], **other: str) -> None:
    """A snapshot of all customers, customer 0 with other values, and answers of the same day."""
    customers = [
        (f"P{n}", *(other.get(s, value(n)) if n == 0 else value(n) for s, value in VALUES.items()))
        for n in range(len(SCORES))
    ]
    name = f"crm/customers_{day.replace('-', '')}.csv"
    e2e.deliver(root, name, e2e.csv_text(("id", *SEGMENTS), customers))
    answers = [(f"{day}-{n}", f"P{n}", str(s), f"{day}T10:00:00") for n, s in scores.items()]
    header = ("id", "person", "score", "at")
    e2e.deliver(root, f"ask/answers_{day}.csv", e2e.csv_text(header, answers))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """The first round, taken in by a whole run: the checks and the report read the names, too."""
    root = e2e.declare(tmp_path_factory.mktemp("names"), SETTINGS)
    _deliver(root, "2025-06-15", dict(enumerate(SCORES)))
    run = e2e.run(root, "run")
    assert run.code == 0, run.out + run.err
    assert "full build" in run.out
    return root


def _scores(root, basis: str = "responses") -> dict[tuple[str, str], tuple[int, float]]:
    found = e2e.marts(
        root,
        "select dimension, segment, responses, nps from marts.fct_nps_by_segment_period "
        f"where time_grain = 'all' and basis = '{basis}'",
    )
    return {(dimension, segment): (count, nps) for dimension, segment, count, nps in found}


# 100 (promoters - detractors) / answers, from SCORES and VALUES
FIRST = {
    ("segment", "smb"): (6, 100 * (4 - 1) / 6),
    ("segment", "enterprise"): (6, 100 * (1 - 3) / 6),
    ("dimension", "a"): (4, 100),
    ("dimension", "b"): (8, 100 * (1 - 4) / 8),
    ("segment_customer_key", "a"): (4, 100 * (3 - 1) / 4),
    ("segment_customer_key", "b"): (8, 100 * (2 - 3) / 8),
    ("order", "first"): (6, 100 * (3 - 1) / 6),
    ("order", "repeat"): (6, 100 * (2 - 3) / 6),
}
TOTAL = (12, 100 * (5 - 4) / 12)
WHOLE = {
    "segment_channel": "shop",
    "segment_all": "everybody",
    "segment_score": "high",
    **dict.fromkeys(PUBLISHED[7:], "same"),
    "channel": "(unknown)",
    "touchpoint": "(unknown)",
    "survey": "(unknown)",
}


def test_scores_are_cut_by_every_segment(root):
    expected = {**FIRST, **dict.fromkeys(WHOLE.items(), TOTAL)}
    found = _scores(root)
    assert found.keys() == expected.keys()
    for cell, figures in expected.items():
        assert found[cell] == pytest.approx(figures), cell


@pytest.mark.parametrize(
    "table", ["fct_nps_responses", "fct_nps_churn", "dim_customers", "dim_customer_history"]
)
def test_segments_have_one_name_in_all_tables_and_are_described(root, table):
    found = e2e.marts(
        root,
        "select column_name, comment from duckdb_columns() "
        f"where table_name = '{table}' and comment like 'Segment % of the workspace: %' "
        "order by column_index",
    )
    assert [column for column, _ in found] == PUBLISHED
    assert [comment.split()[1] for _, comment in found] == SEGMENTS


def test_published_columns_hold_their_values(root):
    columns = ", ".join(f'"{name}"' for name in PUBLISHED)
    for table in ("fct_nps_responses", "dim_customers", "dim_customer_history"):
        found = e2e.marts(root, f"select {columns} from marts.{table}")
        expected = [tuple(value(n) for value in VALUES.values()) for n in range(len(SCORES))]
        assert sorted(found) == sorted(expected), table


def test_a_reader_queries_published_tables_by_these_names(root):
    found = e2e.marts(
        root,
        """
        select r."order", c.segment, count(*), sum(r.score), avg(r.contribution)
        from marts.fct_nps_responses as r
        inner join marts.dim_customers as c on r.customer_key = c.customer_key
        where c.segment_customer_key = 'a'
        group by r."order", c.segment order by 1, 2
        """,
    )
    # customers 0, 3, 6, 9 with 9, 9, 9 and 0
    assert found == [
        ("first", "enterprise", 1, 9, 100),
        ("first", "smb", 1, 9, 100),
        ("repeat", "enterprise", 1, 0, -100),
        ("repeat", "smb", 1, 9, 100),
    ]


def test_answers_are_weighted_by_the_customers_of_each_segment(root):
    """The base has as many customers of each segment as there are answers: both scores agree."""
    found = dict(
        e2e.marts(
            root,
            "select dimension, weighted_nps from marts.nps_weighted_by_period "
            "where time_grain = 'all' and basis = 'responses'",
        )
    )
    # by each alone, and by all of them at once
    assert found == {name: pytest.approx(TOTAL[1]) for name in (*PUBLISHED, "all dimensions")}


def test_a_batch_counts_who_moved(root):
    """Customer 0, once a promoter of smb, is now of enterprise and its fourth detractor of seven."""
    _deliver(root, "2025-08-15", {0: 0}, segment="enterprise")
    e2e.build(root, only=[*e2e.FACTS, "fct_nps_by_segment_period"])
    record = json.loads((root / "warehouse/built.json").read_text(encoding="utf-8"))
    assert record["from"] is not None  # a batch
    scores = _scores(root)
    assert scores["segment", "smb"] == pytest.approx((6, 100 * (4 - 1) / 6))
    assert scores["segment", "enterprise"] == pytest.approx((7, 100 * (1 - 4) / 7))
    assert scores["order", "first"] == pytest.approx((7, 100 * (3 - 2) / 7))
    voices = _scores(root, "customers")
    assert voices["segment", "smb"] == pytest.approx((5, 100 * (3 - 1) / 5))
    assert voices["segment", "enterprise"] == pytest.approx((7, 100 * (1 - 4) / 7))
    history = e2e.marts(
        root,
        "select segment, valid_to is null from marts.dim_customer_history "
        "where customer_key in (select customer_key from marts.dim_customers "
        "where customer_id = 'P0') order by valid_from",
    )
    assert history == [("smb", False), ("enterprise", True)]
