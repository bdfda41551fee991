"""values and null_values: what texts mean, with the delivered text kept beside."""

from __future__ import annotations

import json

import pytest
from ingest_support import Lake

from orchestration.lake import projection

COLUMNS = {"response_id": "id", "score": "nps", "submitted_at": "date", "comment": "text"}
CELLS = ("10 - Extremely likely", "5 stars", "0: never", "7", "10-Sep", "8 of 10", "9.5 points", "10/10",
         " 9 = good", "no 3", "3(so so)", "")  # fmt: skip


def scores(lake: Lake) -> list[str | None]:
    return [row["score"] for row in lake.raw()]


def deliver(lake: Lake, cells: tuple[str, ...]) -> None:
    rows = [f"{place},{cell},2025-01-02,x\n" for place, cell in enumerate(cells)]
    lake.deliver("id,nps,date,text\n" + "".join(rows))
    assert lake.ingest().problems == []


def test_a_text_means_what_the_mapping_says(lake: Lake):
    lake.declare(values={"score": {"Very good": 10, "bad": "0", "don't know": None}})
    deliver(lake, ("very Good", " BAD ", "Don't know", "9", "good"))
    assert scores(lake) == ["10", "0", None, "9", "good"]
    kept = [json.loads(row["_extra"])["nps"] for row in lake.raw()]
    assert kept == ["very Good", " BAD ", "Don't know", "9", "good"]


def test_a_leading_number(lake: Lake):
    lake.declare(values={"score": "leading_number"})
    deliver(lake, CELLS)
    assert scores(lake) == ["10", "5", "0", "7", "10-Sep", "8 of 10", "9.5 points", "10/10", "9", "no 3", "3",
                            None]  # fmt: skip


def test_equal_meanings_are_equal_rows(lake: Lake):
    lake.declare(values={"score": {"good": 9}}, columns={**COLUMNS, "response_id": "text"})
    deliver(lake, ("9", "good", "GOOD", "bad"))
    hashes = [row["_row_hash"] for row in lake.raw()]
    assert len(set(hashes[:3])) == 1
    assert hashes[3] != hashes[0]


def test_attributes_have_meanings_too(lake: Lake):
    lake.declare(attributes={"plan": "text"}, columns={k: v for k, v in COLUMNS.items() if v != "text"},
                 values={"plan": {"X": "extra large"}})  # fmt: skip
    deliver(lake, ("9",))
    assert json.loads(lake.raw()[0]["_attributes"]) == {"plan": "extra large"}


TEXT = "id,nps,date,text,more\n1,NA,2025-01-02,-,NA\n2,9,NA,x,\n3,NaN,2025-01-02T10:00:00Z,NA ,y\n"


def test_null_values_are_empty_cells(lake: Lake):
    lake.declare(null_values=["NA", "NaN", "-"], attributes={"again": "text"})
    lake.deliver(TEXT)
    lake.ingest()
    rows = lake.raw()
    assert [row["score"] for row in rows] == [None, "9", None]
    assert [row["comment"] for row in rows] == [None, "x", "NA "]
    assert [row["submitted_at"] for row in rows] == ["2025-01-02T00:00:00.000000Z", None,
                                                     "2025-01-02T10:00:00.000000Z"]  # fmt: skip
    assert [row["_flags"] for row in rows] == [None] * 3
    assert [json.loads(row["_attributes"])["again"] for row in rows] == [None, "x", "NA "]
    # what is not mapped stays as it is
    assert [json.loads(row["_extra"])["more"] for row in rows] == ["NA", None, "y"]


def test_null_values_of_json_and_parquet(lake: Lake):
    import pyarrow as pa
    import pyarrow.parquet as pq

    lake.declare(null_values=["NA", "nan"], format={"type": "jsonl"}, columns=COLUMNS)
    lake.deliver('{"id": "1", "nps": "NA", "date": "2025-01-02", "text": "x"}\n', "a.jsonl")
    lake.ingest()
    assert scores(lake) == [None]
    lake.declare(format={"type": "parquet"}, files="*.parquet")
    table = {
        "id": ["2", "3"],
        "nps": [float("nan"), 9.0],
        "date": ["2025-01-02"] * 2,
        "text": ["NA", "x"],
    }
    pq.write_table(pa.table(table), lake.landing / "a.parquet")
    lake.ingest()
    assert [(row["score"], row["comment"]) for row in lake.raw()] == [(None, None), ("9.0", "x")]


BLANKS = (" ", "\t", "\u00a0", "\u200b", "\ufeff", " \u2003\u200d ", "\u3000")


@pytest.mark.parametrize("blank", BLANKS)
def test_39_blanks_around_an_id_are_no_part_of_it(lake: Lake, blank: str):
    lake.declare(columns={**COLUMNS, "customer_id": "who", "channel": "how"})
    lake.deliver(
        "id,nps,date,text,who,how\n"
        f"r37{blank},9,2025-01-02,x,{blank}c 1{blank},{blank}web\n"
        f"r37,9,2025-01-02,x,c 1,web\n{blank},9,2025-01-02,{blank},{blank},web\n"
    )
    lake.ingest()
    rows = lake.raw()
    assert [row["response_id"] for row in rows] == ["r37", "r37", None]
    assert [row["customer_id"] for row in rows] == ["c 1", "c 1", None]
    # other texts keep theirs
    assert [row["channel"] for row in rows] == [f"{blank}web", "web", "web"]
    assert rows[2]["comment"] == blank


def test_39_equal_ids_are_equal_rows(lake: Lake):
    lake.deliver(
        "id,nps,date,text\nr37 ,9,2025-01-02,x\n\u00a0r37,9,2025-01-02,x\nr38,9,2025-01-02,x\n"
    )
    lake.ingest()
    hashes = [row["_row_hash"] for row in lake.raw()]
    assert hashes[0] == hashes[1] != hashes[2]


def test_39_ids_of_several_columns_of_json_and_of_parquet(lake: Lake):
    import pyarrow as pa
    import pyarrow.parquet as pq

    lake.declare(columns={**COLUMNS, "response_id": ["id", "line"]})
    lake.deliver("id,line,nps,date,text\n a ,b\u200b,9,2025-01-02,x\n , ,9,2025-01-02,x\n")
    lake.ingest()
    assert [row["response_id"] for row in lake.raw()] == ["a|b", None]
    lake.declare(format={"type": "jsonl"}, files="*.jsonl")
    lines = ('{"id": " a", "line": "\\u00a0", "nps": 9}', '{"id": " ", "line": null, "nps": 9}')
    lake.deliver("\n".join(lines) + "\n", "a.jsonl")
    lake.ingest()
    assert [row["response_id"] for row in lake.raw()] == ["a|", None]
    lake.declare(format={"type": "parquet"}, files="*.parquet", columns=COLUMNS)
    table = {"id": ["\u2003x ", " "], "nps": [9, 9], "date": ["2025-01-02"] * 2, "text": ["y", "z"]}
    pq.write_table(pa.table(table), lake.landing / "a.parquet")
    lake.ingest()
    assert [row["response_id"] for row in lake.raw()] == ["x", None]


@pytest.mark.parametrize("key", ["values", "null_values", "only", "except", "exclude"])
def test_keys_that_are_not_used_keep_the_version(lake: Lake, key: str):
    before = projection.mapping_version(lake.workspace, lake.source)
    if key != "null_values":
        lake.declare(**{key: {}})
    assert projection.mapping_version(lake.workspace, lake.source) == before


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("Mail;Calendar", "Calendar|Mail"),
        (" Mail ;; Mail;Drive|Box;", "Drive/Box|Mail"),
        ("Mail", "Mail"),
        (";  ;", None),
        ("", None),
    ],
)
def test_an_attribute_of_several_values(lake: Lake, cell: str, expected: str | None):
    columns = {key: name for key, name in COLUMNS.items() if name != "text"}
    lake.declare(attributes={"products": "text"}, columns=columns, split={"products": ";"})
    lake.deliver(f"id,nps,date,text\n1,9,2025-01-02,{cell}\n")
    lake.ingest()
    assert json.loads(lake.raw()[0]["_attributes"])["products"] == expected


def test_a_separator_is_part_of_the_mapping(lake: Lake):
    columns = {key: name for key, name in COLUMNS.items() if name != "text"}
    lake.declare(attributes={"products": "text"}, columns=columns)
    versions = {projection.mapping_version(lake.workspace, lake.source)}
    for separator in (";", ", "):
        lake.declare(split={"products": separator})
        versions.add(projection.mapping_version(lake.workspace, lake.source))
    assert len(versions) == 3
