"""Rows that hold several answers: each is a row of the lake, of one line of the file."""

from __future__ import annotations

import json

import pytest
from ingest_support import Lake

CSV = (
    "id,at,nps,why,csat,page\n"
    "1,2025-01-02,10,good,great,home\n"
    "2,2025-01-03,3,,2,cart\n"
    "3,broken\n"
    "4,2025-01-04,,,5,home\n"
)
DOCUMENTS = (
    '{"id": "1", "at": "2025-01-02", "nps": 10, "why": "good", "csat": "great", "page": "home"}\n'
    '{"id": "2", "at": "2025-01-03", "nps": 3, "csat": 2, "page": "cart"}\n'
    "broken\n"
    '{"id": "4", "at": "2025-01-04", "csat": 5, "page": "home"}\n'
)
SETTINGS = {
    "columns": {"response_id": "id", "submitted_at": "at"},
    "constants": {"survey_type": "relational"},
    "answers": [
        {"score": "nps", "comment": "why", "metric": "nps", "scale": "0-10"},
        {"score": "csat", "metric": "csat", "scale": "1-5", "values": {"great": 5}},
    ],
}
# By line: id, score, comment, metric, scale.
EXPECTED = {
    2: {("1|nps", "10", "good", "nps", "0-10"), ("1|csat", "5", None, "csat", "1-5")},
    3: {("2|nps", "3", None, "nps", "0-10"), ("2|csat", "2", None, "csat", "1-5")},
    5: {("4|nps", None, None, "nps", "0-10"), ("4|csat", "5", None, "csat", "1-5")},
}


def by_line(rows: list[dict]) -> dict[int, set]:
    found: dict[int, set] = {}
    for row in rows:
        names = ("response_id", "score", "comment", "metric", "scale")
        found.setdefault(row["_row_number"], set()).add(tuple(row[name] for name in names))
    return found


def check_counts(lake: Lake) -> None:
    """Three rows of two answers each, and one row that cannot be read."""
    (file,) = lake.files()
    assert (file["rows_delivered"], file["rows_loaded"], file["rows_rejected"]) == (7, 6, 1)
    assert len({row["_row_hash"] for row in lake.raw()}) == 6


def test_every_answer_is_a_row(lake: Lake):
    lake.declare(**SETTINGS)
    lake.deliver(CSV)
    result = lake.ingest()
    assert by_line(lake.raw()) == EXPECTED
    assert (result.rows_delivered, result.rows_loaded, result.rows_rejected) == (7, 6, 1)
    check_counts(lake)


def test_lines_of_json(lake: Lake):
    lake.declare(**SETTINGS, format={"type": "jsonl"})
    lake.deliver(DOCUMENTS, "a.jsonl")
    lake.ingest()
    # no header: the first line is 1
    assert by_line(lake.raw()) == {number - 1: rows for number, rows in EXPECTED.items()}
    check_counts(lake)
    (rejected,) = lake.rejected()
    assert (rejected["_row_number"], rejected["reason"]) == (3, "invalid_json")


def test_a_document(lake: Lake):
    lake.declare(**SETTINGS, format={"type": "json"})
    lines = [line if line.startswith("{") else '"broken"' for line in DOCUMENTS.splitlines()]
    lake.deliver(f"[{','.join(lines)}]", "a.json")
    lake.ingest()
    assert by_line(lake.raw()) == {number - 1: rows for number, rows in EXPECTED.items()}
    check_counts(lake)


def test_what_an_answer_reads_is_not_kept_beside_the_others(lake: Lake):
    lake.declare(**SETTINGS)
    lake.deliver(CSV)
    lake.ingest()
    # csat has meanings, so that its text is kept as delivered
    kept = {(row["_row_number"], row["_extra"]) for row in lake.raw()}
    assert {(number, tuple(json.loads(text).items())) for number, text in kept} == {
        (2, (("csat", "great"), ("page", "home"))),
        (3, (("csat", "2"), ("page", "cart"))),
        (5, (("csat", "5"), ("page", "home"))),
    }
    (warning,) = json.loads(lake.files()[0]["warnings"])
    assert warning == "1 column not mapped, kept in _extra: 'page'"


def test_many_small_files_share_a_pack(lake: Lake):
    lake.declare(**SETTINGS)
    for place in range(20):
        lake.deliver(f"id,at,nps,why,csat,page\n{place},2025-01-02,9,,4,home\n", f"{place}.csv")
    result = lake.ingest()
    assert (result.rows_delivered, result.rows_loaded) == (40, 40)
    ids = {row["response_id"] for row in lake.raw()}
    assert ids == {f"{place}|{name}" for place in range(20) for name in ("nps", "csat")}


def test_answers_declared_later_are_read_from_the_archive(lake: Lake):
    columns = {**SETTINGS["columns"], "score": "nps"}
    constants = {"survey_type": "relational", "metric": "nps", "scale": "0-10"}
    lake.declare(columns=columns, constants=constants)
    lake.deliver(CSV)
    lake.ingest()
    assert {row["response_id"] for row in lake.raw()} == {"1", "2", "4"}
    lake.declare(**SETTINGS)
    assert lake.ingest().files_rederived == 1
    assert by_line(lake.raw()) == EXPECTED


def test_a_row_without_an_id_has_none_in_any_answer(lake: Lake):
    answers = [{"name": f"nps_{year}", "score": "nps", "metric": "nps", "scale": "0-10"}
               for year in (2024, 2025)]  # fmt: skip
    lake.declare(**{**SETTINGS, "answers": answers})
    lake.deliver("id,at,nps,why,csat,page\n,2025-01-02,9,,4,home\n")
    lake.ingest()
    rows = lake.raw()
    assert [row["response_id"] for row in rows] == [None, None]
    assert len({row["_row_hash"] for row in rows}) == 2


def test_one_file_feeds_several_entities(lake: Lake):
    lake.declare(**SETTINGS)
    customers = {"name": "telco", "entity": "customers", "files": "*",
                 "columns": {"customer_id": "id"}, "attributes": {"page": "page"},
                 "snapshot_at": "at"}  # fmt: skip
    lake.content["sources"].append(customers)
    lake.deliver(CSV)
    lake.ingest()
    assert len(lake.raw()) == 6
    people = lake.raw("customers")
    assert [(row["customer_id"], row["_row_number"]) for row in people] == [
        ("1", 2),
        ("2", 3),
        ("4", 5),
    ]
    assert {file["entity"]: file["rows_loaded"] for file in lake.files()} == {
        "survey_responses": 6, "customers": 3,
    }  # fmt: skip
    # one copy of the bytes, and nothing new the second time
    assert len([path for path in (lake.root / "lake/archive").rglob("*") if path.is_file()]) == 1
    before = lake.everything()
    lake.ingest()
    assert lake.everything() == before


@pytest.mark.parametrize("zone", [None, "UTC"])
def test_each_answer_may_have_its_own_time(lake: Lake, zone: str | None):
    answers = [
        {"name": "first", "score": "a", "submitted_at": "a_at", "metric": "nps", "scale": "0-10"},
        {"name": "second", "score": "b", "submitted_at": "b_at", "metric": "nps", "scale": "0-10"},
    ]
    lake.declare(
        **{**SETTINGS, "columns": {"response_id": "id"}, "answers": answers}, timezone=zone
    )
    lake.deliver("id,a,a_at,b,b_at\n1,9,2024-05-01T10:00:00,3,2025-05-01T10:00:00Z\n")
    lake.ingest()
    times = {row["response_id"]: row["submitted_at"] for row in lake.raw()}
    assert times == {
        "1|first": "2024-05-01T10:00:00.000000Z", "1|second": "2025-05-01T10:00:00.000000Z",
    }  # fmt: skip
    warnings = json.loads(lake.files()[0]["warnings"])
    assert len(warnings) == (zone is None)
