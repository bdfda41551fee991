"""only, except and exclude: excluded rows are flagged, and everything else of them is kept."""

from __future__ import annotations

import json

import pytest
from ingest_support import Lake

from orchestration.lake import projection

HEADER = "id,nps,date,text,status,mail\n"
ROWS = (
    ("1", "Complete", "ann@Corp.example"),
    ("2", " complete ", "test@example.com"),
    ("3", "Partial", "bob@corp.example"),
    ("4", "", "TEST2@EXAMPLE.COM "),
    ("5", "COMPLETE", ""),
    ("6", "Test", "someone@qa.example.com"),
)
TEXT = HEADER + "".join(f"{n},9,2025-01-02,x,{status},{mail}\n" for n, status, mail in ROWS)
COLUMNS = {"response_id": "id", "score": "nps", "submitted_at": "date", "email": "mail"}


def excluded(lake: Lake) -> list[str]:
    rows = lake.raw()
    return [row["response_id"] for row in rows if "_row:excluded" in (row["_flags"] or "")]


@pytest.mark.parametrize(
    ("declared", "ids"),
    [
        ({}, []),
        ({"only": {"status": "Complete"}}, ["3", "4", "6"]),
        ({"only": {"status": ["Complete", "Partial "]}}, ["4", "6"]),
        ({"except": {"status": ["test", "Partial"]}}, ["3", "6"]),
        ({"only": {"status": "Complete"}, "except": {"id": "1"}}, ["1", "3", "4", "6"]),
        ({"only": {"status": "Complete", "id": ["1", "2", "3"]}}, ["3", "4", "5", "6"]),
        ({"exclude": {"email_domain": "Example.com"}}, ["2", "4"]),
        ({"exclude": {"email": "ANN@corp.example"}}, ["1"]),
        ({"exclude": {"response_id": ["5", "file:lists/ids.txt"]}}, ["1", "5"]),
        ({"only": {"status": "it's"}}, ["1", "2", "3", "4", "5", "6"]),
        ({"except": {"status": "'); drop table x; --"}}, []),
    ],
)
def test_which_rows_are_excluded(lake: Lake, declared, ids):
    (lake.root / "lists").mkdir()
    (lake.root / "lists/ids.txt").write_text("\ufeff1\n\n 77 \r\n", encoding="utf-8")
    lake.declare(columns=COLUMNS, **declared)
    lake.deliver(TEXT)
    result = lake.ingest()
    assert (result.problems, result.rows_loaded) == ([], 6)
    assert excluded(lake) == ids


def test_an_excluded_row_keeps_its_cells_and_its_other_flags(lake: Lake):
    lake.declare(columns=COLUMNS, only={"status": "Complete"})
    lake.deliver(HEADER + "1,9,yesterday,x,Partial,a@b.example\n")
    result = lake.ingest()
    (row,) = lake.raw()
    assert row["_flags"] == "submitted_at:bad_timestamp _row:excluded"
    assert (row["score"], row["_email_key"]) == ("9", "a@b.example")
    assert json.loads(row["_extra"]) == {"text": "x", "status": "Partial"}
    assert result.warnings == ["telco/survey_responses: a.csv: 1 column not mapped, kept in "
                               "_extra: 'text'"]  # fmt: skip


def test_json_and_parquet(lake: Lake):
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {"response_id": "id", "score": "nps", "submitted_at": "date"}
    lake.declare(columns=columns, format={"type": "jsonl"}, only={"meta.finished": "true"})
    for number, finished in ((1, "true"), (2, "false"), (3, '"TRUE"'), (4, "null")):
        lake.deliver(
            f'{{"id": {number}, "nps": 9, "date": "2025-01-02", "meta": {{"finished": {finished}}}}}\n',
            f"{number}.jsonl",
        )
    lake.ingest()
    assert sorted(excluded(lake)) == ["2", "4"]

    lake.declare(format={"type": "parquet"}, files="*.parquet", only={"finished": "1"})
    table = {"id": ["5", "6"], "nps": [9, 9], "date": ["2025-01-02"] * 2, "finished": [1, 0]}
    pq.write_table(pa.table(table), lake.landing / "a.parquet")
    lake.ingest()
    assert "6" in excluded(lake)
    assert "5" not in excluded(lake)


def test_a_column_of_a_rule_must_be_there(lake: Lake):
    lake.declare(only={"Status": "Complete"})
    lake.deliver("id,nps,date,text\n1,9,2025-01-02,x\n")
    (problem,) = lake.ingest().problems
    assert problem.reason == "missing_column"
    assert "'Status'" in problem.message


def test_small_files_and_big_ones_are_read_alike(lake: Lake):
    lake.declare(columns=COLUMNS, only={"status": "Complete"})
    for number in range(20):
        lake.deliver(TEXT.replace("\n1,", f"\n{number}-1,"), f"{number}.csv")
    lake.ingest()
    assert len(excluded(lake)) == 20 * 3


def test_another_list_reads_the_files_again_and_none_brings_the_rows_back(lake: Lake):
    path = lake.root / "ids.txt"
    path.write_text("1\n")
    lake.declare(columns=COLUMNS, exclude={"response_id": "file:ids.txt"})
    lake.deliver(TEXT)
    lake.ingest()
    assert excluded(lake) == ["1"]
    before = projection.mapping_version(lake.workspace, lake.source)
    path.write_text("2\n3\n")
    assert projection.mapping_version(lake.workspace, lake.source) != before
    assert lake.ingest().files_rederived == 1
    assert excluded(lake) == ["2", "3"]
    lake.declare(exclude={})
    assert lake.ingest().files_rederived == 1
    assert excluded(lake) == []
