"""The limits of a delivered file: fields, rows, columns; and NUL where a text names or holds it."""

from __future__ import annotations

import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ingest_support import HEADER, RESPONSES, Lake

from orchestration.lake import scan
from orchestration.lake.columns import find_columns

ROW = {"id": "1", "nps": "9", "date": "2025-01-02", "text": "fine"}


def parquet(columns: dict, **options) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out, **options)
    return out.getvalue()


def cells(**changes) -> dict:
    """The columns of a table of two rows; the second's cells are changed."""
    return {name: [value, changes.get(name, value)] for name, value in ROW.items()}


def reason(lake: Lake) -> str:
    (problem,) = lake.ingest().problems
    assert lake.raw() == []
    (file,) = lake.files()
    assert (file["status"], file["reason"]) == ("quarantined", problem.reason)
    return problem.reason


# a value of Parquet of three KiB, of any type whose size is not fixed
LONG = {
    "text": pa.array(["a", "x" * 3000]),
    "large text": pa.array(["a", "x" * 3000], pa.large_string()),
    "text view": pa.array(["a", "x" * 3000], pa.string_view()),
    "dictionary": pa.array(["a", "x" * 3000]).dictionary_encode(),
    "bytes": pa.array([b"a", b"x" * 3000]),
    "list": pa.array([["a"], ["x"] * 3000]),
    "struct": pa.array([{"a": "a"}, {"a": "x" * 3000}]),
    "list of structs": pa.array([[{"a": "a"}], [{"a": "x" * 1500}] * 2]),
}


@pytest.mark.parametrize("kind", LONG)
@pytest.mark.parametrize("column", ["text", "not mapped"])
def test_15_a_long_cell_of_parquet_is_oversized(lake: Lake, kind: str, column: str):
    lake.declare(format={"type": "parquet", "max_field_kb": 2})
    lake.deliver(parquet({**cells(), column: LONG[kind]}))
    assert reason(lake) == "oversized_field"
    lake.declare(format={"type": "parquet", "max_field_kb": 40})
    assert lake.ingest().problems == []
    assert len(lake.raw()) == 2


def test_many_short_cells_of_parquet_are_no_long_one(lake: Lake):
    lake.declare(format={"type": "parquet", "max_field_kb": 1})
    columns = {name: [value] * 3000 for name, value in ROW.items()}
    columns |= {"list": [["x", "y"]] * 3000, "day": [18_000] * 3000, "number": [1.5] * 3000}
    lake.deliver(parquet(columns))
    assert lake.ingest().problems == []


@pytest.mark.parametrize("name", ["x" * 3000, "é" * 1100])
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_15_a_long_name_of_a_column_is_oversized(lake: Lake, kind: str, name: str):
    lake.declare(format={"type": kind, "max_field_kb": 2})
    columns = {**cells(), name: ["a", "b"]}
    header = ",".join(columns) + "\n1,9,2025-01-02,fine,a\n"
    lake.deliver(parquet(columns) if kind == "parquet" else header)
    assert reason(lake) == "oversized_field"


def test_15_a_header_of_ten_megabytes_is_oversized(lake: Lake):
    lake.deliver("id,nps,date,text," + "x" * (10 << 20) + "\n1,9,2025-01-02,fine,a\n")
    assert reason(lake) == "oversized_field"


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_17_too_many_columns_are_refused_at_once(lake: Lake, kind: str):
    lake.declare(format={"type": kind, "max_columns": 10})
    columns = {**cells(), **{f"q{place}": ["a", "b"] for place in range(6)}}
    more = {**columns, "q6": ["a", "b"]}

    def content(columns: dict) -> bytes:
        lines = [columns, *zip(*columns.values(), strict=True)]
        text = "".join(",".join(line) + "\n" for line in lines)
        return parquet(columns) if kind == "parquet" else text.encode()

    lake.deliver(content(columns), "ten.csv")
    lake.deliver(content(more), "eleven.csv")
    (problem,) = lake.ingest().problems
    assert (problem.file_name, problem.reason) == ("eleven.csv", "oversized_file")
    assert "11 columns, more than format.max_columns 10" in problem.message
    assert len(lake.raw()) == 2


def test_17_twenty_thousand_columns_are_more_than_any_survey_has(lake: Lake):
    names = ",".join(f"q{place}" for place in range(20_000))
    lake.deliver(f"id,nps,date,text,{names}\n1,9,2025-01-02,fine,{',' * 19_999}\n")
    assert reason(lake) == "oversized_file"


def test_columns_are_found_among_many(monkeypatch):
    names = tuple(f"q{place}" for place in range(100_000))
    assert find_columns(["q99999"], (*names, "q7")).duplicate == ["q7"]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "json", "parquet"])
def test_17_more_rows_than_declared_are_refused(lake: Lake, kind: str):
    rows = [{**ROW, "id": str(number)} for number in range(11)]
    content = {
        "csv": HEADER + b"".join(",".join(row.values()).encode() + b"\n" for row in rows),
        "jsonl": b"".join(json.dumps(row).encode() + b"\n" for row in rows),
        "json": json.dumps(rows).encode(),
        "parquet": parquet({name: [row[name] for row in rows] for name in ROW}),
    }[kind]
    lake.declare(format={"type": kind, "max_rows": 10}).deliver(content)
    assert reason(lake) == "oversized_file"
    lake.declare(format={"type": kind, "max_rows": 11})
    assert lake.ingest().problems == []
    assert len(lake.raw()) == 11


def test_17_a_small_parquet_of_millions_of_rows_is_refused(lake: Lake):
    columns = {name: pa.DictionaryArray.from_arrays(pa.array([0] * 1_100_000, pa.int8()), [value])
               for name, value in ROW.items()}  # fmt: skip
    content = parquet(columns, compression="zstd")
    assert len(content) * 10 < 1_100_000
    lake.declare(format={"type": "parquet"}).deliver(content)
    (problem,) = lake.ingest().problems
    assert problem.reason == "oversized_file"
    assert "1,100,000 rows" in problem.message
    assert lake.files()[0]["rows_rejected"] == 0  # rows that nobody delivered spoil no rate


NUL = "2025\0"


@pytest.mark.parametrize("column", ["text", "not mapped"])
@pytest.mark.parametrize(
    "values",
    [pa.array(["a", NUL]), pa.array(["a", NUL]).dictionary_encode(), pa.array([["a"], ["b", NUL]]),
     pa.array([{"a": "b"}, {"a": NUL}]), pa.array(["a", NUL], pa.string_view())],
    ids=["text", "dictionary", "list", "struct", "view"],
)  # fmt: skip
def test_9_nul_in_parquet_is_nul(lake: Lake, column: str, values: pa.Array):
    lake.declare(format={"type": "parquet"})
    lake.deliver(parquet({**cells(), column: values}))
    assert reason(lake) == "nul_byte"


@pytest.mark.parametrize("kind", ["json", "jsonl"])
@pytest.mark.parametrize("key", ["text", "not mapped", "a\0b"])
@pytest.mark.parametrize("size", [8 << 20, 7])
def test_9_nul_in_json_is_nul(lake: Lake, kind: str, key: str, size: int, monkeypatch):
    monkeypatch.setattr(scan, "CHUNK", size)  # the escape is cut anywhere
    documents = [json.dumps(ROW), json.dumps({**ROW, "id": "2", key: NUL})]
    text = "\n".join(documents) if kind == "jsonl" else "[" + ",\n".join(documents) + "]"
    lake.declare(format={"type": kind}).deliver(text)
    result = lake.ingest()
    assert [problem.reason for problem in result.problems] == ["nul_byte"]
    assert "line 2" in result.problems[0].message


@pytest.mark.parametrize("size", [8 << 20, 7, 5])
def test_a_backslash_before_u0000_is_no_nul(lake: Lake, size: int, monkeypatch):
    monkeypatch.setattr(scan, "CHUNK", size)
    text = r"C:\u0000 and \\u0000"
    lake.declare(format={"type": "jsonl"}).deliver(json.dumps({**ROW, "text": text}))
    assert lake.ingest().problems == []
    assert [row["comment"] for row in lake.raw()] == [text]


@pytest.mark.parametrize("limit", ["max_rows", "max_columns", "max_field_kb", "max_file_mb"])
def test_a_limit_that_changes_reads_the_files_anew(lake: Lake, limit: str):
    lake.deliver(HEADER + b"1,9,2025-01-02,fine\n")
    lake.ingest()
    lake.declare(format={**RESPONSES.get("format", {}), limit: 1000})
    assert lake.ingest().files_rederived == 1
