"""JSON and Parquet: the same rows by another way."""

from __future__ import annotations

import hashlib
import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ingest_support import HEADER, Lake

from orchestration.lake import json_paths, scan

ANSWER = {
    "token": "t1",
    "submitted": "2025-01-02T10:00:00Z",
    "person": {"email": "Ann@example.com", "tags": ["a", "b"]},
    "person.email": "exact@example.com",
    "answers": [
        {"field": {"ref": "why"}, "text": 'it\'s "fine"'},
        {"field": {"ref": "nps"}, "number": 9},
    ],
    "a/b~c": "slashes",
    "wo'w": "quote",
    "what [sic]": "brackets",
    "zero": 0,
    "no": False,
    "nothing": None,
    "empty": "",
    "line": "a\nb",
}
COLUMNS = {
    "response_id": "token",
    "score": "answers[field.ref=nps].number",
    "submitted_at": "submitted",
    "comment": "answers[field.ref=why].text",
}


def declare(lake: Lake, kind: str, **changes) -> Lake:
    form = {"type": kind, **changes.pop("format", {})}
    return lake.declare(format=form, **{"columns": COLUMNS, **changes})


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("token", "t1"),
        ("person.tags", '["a","b"]'),
        ("person.tags[1]", "b"),
        ("person.tags[2]", None),
        ("person", '{"email":"Ann@example.com","tags":["a","b"]}'),
        ("person.missing", None),
        ("token.deeper", None),
        ("answers[0].text", 'it\'s "fine"'),
        ("answers[1].field.ref", "nps"),
        ("answers[field.ref=nps].number", "9"),
        ("answers[field.ref=why].text", 'it\'s "fine"'),
        ("answers[field.ref=none].text", None),
        ("answers[field.ref=nps]", '{"field":{"ref":"nps"},"number":9}'),
        ("answers[number=9].field.ref", "nps"),
        ("person[a=b].c", None),
        ("missing[a=b].c", None),
        ("answers[field.ref='); drop table x; --].text", None),
        ("zero", "0"),
        ("no", "false"),
        ("nothing", None),
        ("line", "a\nb"),
    ],
)
def test_paths(path: str, expected: str | None):
    query = f"select {json_paths.json_text('doc', path)} from (select ?::varchar as doc)"
    assert duckdb.execute(query, [json.dumps(ANSWER)]).fetchall() == [(expected,)]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("person.email", "exact@example.com"),  # a member of just this name wins
        ("a/b~c", "slashes"),
        ("wo'w", "quote"),
        ("what [sic]", "brackets"),
        ("empty", None),
    ],
)
def test_paths_that_are_names(lake: Lake, path: str, expected: str | None):
    declare(lake, "jsonl", columns={**COLUMNS, "channel": path}).deliver(json.dumps(ANSWER))
    lake.ingest()
    assert [row["channel"] for row in lake.raw()] == [expected]


@pytest.mark.parametrize("kind", ["jsonl", "json"])
def test_an_answer(lake: Lake, kind: str):
    answer = {**ANSWER, "gone": {"x": None}}
    declare(lake, kind, attributes={"plan": ["zero", "no"]})
    lake.deliver(json.dumps(answer) if kind == "jsonl" else json.dumps([answer], indent=1))
    result = lake.ingest()
    assert (result.problems, result.rows_loaded) == ([], 1)
    (row,) = lake.raw()
    assert (row["response_id"], row["score"], row["comment"]) == ("t1", "9", 'it\'s "fine"')
    assert row["submitted_at"] == "2025-01-02T10:00:00.000000Z"
    assert row["_attributes"] == '{"plan":"0|false"}'
    assert row["_row_number"] == 1
    extra = json.loads(row["_extra"])
    assert not {"token", "submitted", "zero", "no"} & set(extra)
    assert extra["person"] == ANSWER["person"]
    assert extra["gone"] == {"x": None}


def test_nothing_is_left_over(lake: Lake):
    declare(lake, "jsonl", columns={"response_id": "a", "score": "b", "submitted_at": "c"})
    lake.deliver('{"a": 1, "b": 9, "c": "2025-01-02"}\n')
    lake.ingest()
    assert lake.raw()[0]["_extra"] is None


def test_what_is_left_over_of_documents_of_several_kinds(lake: Lake):
    """Of the first documents, of later ones, in another order, with fewer members and with more."""
    declare(lake, "jsonl", columns={"response_id": "a", "score": "b", "submitted_at": "c"})
    usual = ['{"a": "%d", "b": 9, "c": "2025-01-02"}', '{"b": 9, "a": "%d"}', '{"a": "%d", "x": 1}']
    late = ['{"c": "2025-01-02", "a": "%d", "b": 9}', '{"a": "%d", "b": 9, "c": null, "d": [1]}']
    kinds = usual * 700 + late
    lake.deliver("\n".join(kind % number for number, kind in enumerate(kinds)))
    assert lake.ingest().problems == []
    left_over = {usual[2]: '{"x":1}', late[1]: '{"d":[1]}'}
    assert [row["_extra"] for row in lake.raw()] == [left_over.get(kind) for kind in kinds]
    assert [row["response_id"] for row in lake.raw()] == [str(n) for n in range(len(kinds))]


LINES = b"""{"token": "1", "answers": []}

{"token": "2", "broken
[1, 2]
   \t
{"token": "3", "text": "\\u00e9 \xc3\xa9, \\"x\\""}\r
"text"
{"token": "4", "raw": "\x01"}
{"token": "5"} trailing
null"""


def test_lines_that_are_no_objects_are_rejected(lake: Lake):
    declare(lake, "jsonl").deliver(LINES)
    result = lake.ingest()
    assert result.problems == []
    assert [(row["response_id"], row["_row_number"]) for row in lake.raw()] == [("1", 1), ("3", 6)]
    rejected = {row["_row_number"]: (row["reason"], row["raw_text"]) for row in lake.rejected()}
    assert rejected == {
        3: ("invalid_json", '{"token": "2", "broken'),
        4: ("invalid_json", "[1, 2]"),
        7: ("invalid_json", '"text"'),
        8: ("invalid_json", '{"token": "4", "raw": "\x01"}'),
        9: ("invalid_json", '{"token": "5"} trailing'),
        10: ("invalid_json", "null"),
    }
    assert (result.rows_delivered, result.rows_loaded, result.rows_rejected) == (8, 2, 6)
    assert result.rows_blank == 2
    assert any("never there in this file: score" in warning for warning in result.warnings)


def test_elements_keep_their_places(lake: Lake):
    declare(lake, "json", format={"records": "page.items"})
    items = [{"token": "a"}, 5, {"token": "b"}, None]
    lake.deliver(json.dumps({"page": {"items": items}, "next": "x"}))
    result = lake.ingest()
    assert [(row["response_id"], row["_row_number"]) for row in lake.raw()] == [("a", 1), ("b", 3)]
    assert [(row["_row_number"], row["raw_text"]) for row in lake.rejected()] == [
        (2, "5"),
        (4, "null"),
    ]
    assert (result.rows_delivered, result.rows_loaded, result.rows_rejected) == (4, 2, 2)


@pytest.mark.parametrize("size", [8 << 20, 7, 5])
@pytest.mark.parametrize("mark", ["\\u001f", "\\u001F"])
def test_marks_inside_cells_do_not_make_documents_alike(lake: Lake, mark, size, monkeypatch):
    monkeypatch.setattr(scan, "CHUNK", size)  # an escape is cut anywhere
    declare(lake, "jsonl", columns={"response_id": "a", "score": "b", "submitted_at": "c"})
    lines = [("x", f"9{mark}", ""), ("x", "9", mark)]
    text = "".join(f'{{"a": "{a}", "b": "{b}", "c": "{c}"}}\n' for a, b, c in lines)
    lake.deliver(text)
    assert lake.ingest().problems == []
    assert len({row["_row_hash"] for row in lake.raw()}) == 2


@pytest.mark.parametrize("kind", ["jsonl", "json"])
def test_a_document_hashes_the_same_with_and_without_marks_elsewhere(lake: Lake, kind: str):
    declare(lake, kind, columns={"response_id": "a", "score": "b", "submitted_at": "c"})
    document, other = '{"a": "1", "b": 9, "c": "2025-01-02"}', '{"a": "2\\u001f", "b": 9, "c": ""}'
    for name, each in {"a": [document], "b": [document, other]}.items():
        lake.deliver("\n".join(each) if kind == "jsonl" else f"[{', '.join(each)}]", name)
    assert lake.ingest().problems == []
    hashes = [row["_row_hash"] for row in lake.raw() if row["response_id"] == "1"]
    assert len(hashes) == 2 and len(set(hashes)) == 1


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
@pytest.mark.parametrize("kind", ["jsonl", "json"])
def test_encodings(lake: Lake, kind: str, encoding: str):
    declare(lake, kind, format={"encoding": encoding}, columns={**COLUMNS, "comment": "text"})
    text = json.dumps({"token": "1", "text": "é"}, ensure_ascii=False)
    lake.deliver((text if kind == "jsonl" else f"[{text}]").encode(encoding))
    lake.ingest()
    assert [row["comment"] for row in lake.raw()] == ["é"]


def test_many_elements(lake: Lake):
    declare(lake, "json", columns={"response_id": "i", "score": "s", "submitted_at": "d"})
    lake.deliver(json.dumps([{"i": i, "s": i % 11, "d": "2025-01-02"} for i in range(20_000)]))
    lake.ingest()
    rows = lake.raw()
    assert [row["response_id"] for row in rows] == [str(i) for i in range(20_000)]
    assert [row["_row_number"] for row in rows] == list(range(1, 20_001))


def test_empty_json_is_fine_where_declared(lake: Lake):
    declare(lake, "json", format={"allow_empty": True}).deliver("[]")
    assert lake.ingest().files_new == 1
    assert lake.raw() == []


# --- Parquet ----------------------------------------------------------------------------------


def parquet(table: pa.Table) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


def test_every_type_becomes_text(lake: Lake):
    lake.declare(
        format={"type": "parquet"},
        columns={"response_id": "ID", "score": "s", "submitted_at": "at", "updated_at": "zoned",
                 "comment": "text", "is_test": "flag", "touchpoint": "nested", "channel": "kind",
                 "language": "money", "survey_id": "day"},
    )  # fmt: skip
    table = pa.table(
        {
            "Id": pa.array([1, 2], pa.int64()),
            "s": pa.array([9.0, None], pa.float64()),
            "at": pa.array([datetime(2025, 1, 2, 10, 0, 0, 5), None], pa.timestamp("ns")),
            "zoned": pa.array([datetime(2025, 7, 1, 10, tzinfo=UTC)] * 2,
                              pa.timestamp("us", "Europe/Brussels")),
            "text": ["é", ""],
            "flag": [True, False],
            "nested": [{"a": [1, None]}, None],
            "kind": pa.array(["x", "y"]).dictionary_encode(),
            "money": pa.array([Decimal("1.50"), None], pa.decimal128(10, 2)),
            "day": pa.array([date(2025, 1, 2), None], pa.date32()),
            "extra": [1.5, None],
        }
    )  # fmt: skip
    lake.deliver(parquet(table))
    result = lake.ingest()
    assert (result.problems, result.rows_delivered, result.rows_loaded) == ([], 2, 2)
    first, second = lake.raw()
    names = ("response_id", "score", "submitted_at", "updated_at", "comment", "is_test",
             "touchpoint", "channel", "language", "survey_id", "_extra", "_row_number")  # fmt: skip
    assert [first[name] for name in names] == [
        "1", "9.0", "2025-01-02T10:00:00.000005Z", "2025-07-01T10:00:00.000000Z", "é", "true",
        '{"a":[1,null]}', "x", "1.50", "2025-01-02", '{"extra":"1.5"}', 1,
    ]  # fmt: skip
    assert [second[name] for name in names] == [
        "2", None, None, "2025-07-01T10:00:00.000000Z", None, "false",
        None, "y", None, None, '{"extra":null}', 2,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("names", "reason", "rows"),
    [
        (["id", "nps", "date"], "missing_column", 2),
        (["id", "nps", "date", "text", "text"], "duplicate_header", 2),
        (["id", "nps", "date", "text"], "header_only", 0),
    ],
)
def test_faulty_parquet(lake: Lake, names, reason, rows):
    lake.declare(format={"type": "parquet"})
    table = pa.table([pa.array(["1"] * rows, pa.string())] * len(names), names=names)
    lake.deliver(parquet(table))
    assert [problem.reason for problem in lake.ingest().problems] == [reason]
    assert [file["rows_rejected"] for file in lake.files()] == [rows]


def test_damaged_parquet(lake: Lake):
    lake.declare(format={"type": "parquet"})
    table = pa.table({name: [str(i) for i in range(999)] for name in ("id", "nps", "date", "text")})
    content = bytearray(parquet(table))
    content[4:400] = bytes(396)
    lake.deliver(bytes(content))
    assert [problem.reason for problem in lake.ingest().problems] == ["unreadable_parquet"]
    assert lake.raw() == []


LAYOUTS = [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())]


def as_csv_and_parquet(lake: Lake, rows: list[tuple[str, ...]], names: tuple[str, ...]):
    """The named columns of each delivery of the rows: as CSV, and as each layout of Parquet's."""
    found = []
    for layout in (None, *LAYOUTS):
        columns = [
            pa.array(column).cast(layout or pa.string()) for column in zip(*rows, strict=True)
        ]
        body = "".join(",".join(row) + "\n" for row in rows).encode()
        table = pa.table(columns, names=["id", "nps", "date", "text"])
        content = parquet(table) if layout else HEADER + body
        lake.declare(format={"type": "parquet" if layout else "csv"}).deliver(content)
        assert lake.ingest().problems == []
        sha256 = hashlib.sha256(content).hexdigest()
        mine = [row for row in lake.raw() if row["_file_sha256"] == sha256]
        found.append([tuple(row[name] for name in names) for row in mine])
    return found


def test_texts_in_parquet_are_read_as_in_csv(lake: Lake):
    # empty, blank, with the character that separates cells while hashing, times of several shapes
    rows = [
        ("1", "9", "2025-01-02", "fine"),
        ("2", "", "2025-01-02T10:00:00Z", ""),
        ("3", " 9 ", "2025-01-02 10:00", "a\x1fb"),
        ("4", "ten", "02.01.2025", "ab\x1f"),
        ("5", "0", "", "Ünï"),
    ]
    names = ("response_id", "score", "submitted_at", "comment", "_flags", "_row_hash")
    first, *others = as_csv_and_parquet(lake, rows, names)
    assert all(other == first for other in others)
    assert [row[3] for row in first] == ["fine", None, "a\x1fb", "ab\x1f", "Ünï"]
    assert len({row[5] for row in first}) == len(rows)


def test_times_of_one_shape_in_parquet_are_read_as_in_csv(lake: Lake):
    """Times and addresses that are read by column, with gaps and faults among them."""
    lake.declare(columns={"response_id": "id", "score": "nps", "submitted_at": "date",
                          "email": "text"})  # fmt: skip
    others = {7: "", 19: "2025-02-30T10:00:00Z", 23: "soon", 31: "2025-01-02T11:00:00+01:00"}
    rows = [
        (str(i), "9", others.get(i, f"2025-01-02T10:00:{i:02}Z"), "" if i == 9 else f"A{i}@x.org")
        for i in range(60)
    ]
    names = ("submitted_at", "_flags", "email", "_email_key", "_row_hash")
    first, *parquets = as_csv_and_parquet(lake, rows, names)
    assert all(found == first for found in parquets)
    assert [first[i][:2] for i in (0, 7, 31)] == [
        ("2025-01-02T10:00:00.000000Z", None),
        (None, None),
        ("2025-01-02T10:00:00.000000Z", None),
    ]
    assert [first[i][1] for i in (19, 23)] == ["submitted_at:bad_timestamp"] * 2
    assert first[9][2:4] == (None, None) and first[8][2:4] == ("A8@x.org", "a8@x.org")


def test_a_row_has_one_hash_whatever_lies_beside_it(lake: Lake):
    constants = {"metric": "nps", "survey_type": "relational", "scale": "0-10"}
    lake.declare(format={"type": "parquet"}, constants={**constants, "touchpoint": "a\x1fb"})
    for name, texts in (("a.parquet", ["fine"]), ("b.parquet", ["fine", "x\x1fy"])):
        count = len(texts)
        columns = [["1"] * count, ["9"] * count, ["2025-01-02"] * count, texts]
        lake.deliver(parquet(pa.table(columns, names=["id", "nps", "date", "text"])), name)
    assert lake.ingest().problems == []
    hashes = [row["_row_hash"] for row in lake.raw() if row["comment"] == "fine"]
    assert len(hashes) == 2 and len(set(hashes)) == 1


@pytest.mark.parametrize("layout", [*LAYOUTS, pa.list_(pa.string())], ids=str)
def test_parquet_whose_text_is_not_utf8(lake: Lake, layout: pa.DataType):
    lake.declare(format={"type": "parquet"})
    broken = pa.array([b"\xff\xfe"]).cast(pa.string(), safe=False)
    if pa.types.is_list(layout):
        broken = pa.ListArray.from_arrays([0, 1], broken)
    elif pa.types.is_dictionary(layout):
        broken = pa.DictionaryArray.from_arrays(pa.array([0], pa.int32()), broken)
    else:
        broken = broken.cast(layout)
    table = pa.table([pa.array(["1"])] * 3 + [broken], names=["id", "nps", "date", "text"])
    lake.deliver(parquet(table))
    assert [problem.reason for problem in lake.ingest().problems] == ["unreadable_parquet"]
    assert lake.raw() == []
