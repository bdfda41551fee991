"""Rows: what cannot be a row is rejected with its text; everything delivered is accounted for."""

from __future__ import annotations

import csv
import io
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ingest_support import HEADER, Lake

from orchestration.lake import delimited, scan

WIDTH = 4


@pytest.mark.parametrize(
    ("body", "loaded", "rejected", "blank"),
    [
        pytest.param(b"1,9,2025-01-02\n2,9,2025-01-02,x\n", [3], [(2, "wrong_width",
                     "1,9,2025-01-02")], 0, id="32 too narrow"),
        pytest.param(b"1,9,2025-01-02,x,y\n", [], [(2, "wrong_width", "1,9,2025-01-02,x,y")], 0,
                     id="32 too wide"),
        pytest.param(b'1,9,2025-01-02,"a ""b""\nc",y\n2,9,2025-01-02,x\n', [3], [(2, "wrong_width",
                     '1,9,2025-01-02,"a ""b""\nc",y')], 0, id="32 with quoted newline"),
        pytest.param(b"1,9,2025-01-02,x\nid,nps,date,text\n2,9,2025-01-02,x\n", [2, 4], [(3,
                     "repeated_header", "id,nps,date,text")], 0, id="33 repeated header"),
        pytest.param(b'1,9,2025-01-02,"a\n\nb"\n2,9,2025-01-02,x\n', [2, 3], [], 0,
                     id="34 quoted newline"),
        pytest.param(b'1,9,2025-01-02,"a ""b"" c"\n', [2], [], 0, id="35 doubled quote"),
        pytest.param(b'1,9,2025-01-02,a 27" screen\n2,9,2025-01-02,"x"\n', [2, 3], [], 0,
                     id="35 quote inside an unquoted field"),
        pytest.param(b"\n1,9,2025-01-02,x\n\n  \n2,9,2025-01-02,x\n\n", [3, 6], [], 4,
                     id="36 blank lines"),
        pytest.param(b",,,\n1,9,2025-01-02,x\n", [3], [], 1, id="36 nothing but delimiters"),
        pytest.param(b"Total: 2\n1,9,2025-01-02,x\n", [3], [(2, "wrong_width", "Total: 2")], 0,
                     id="31 totals row"),
        pytest.param(b"1,9,2025-01-02,x\n1,9,2025-01-02,x\n", [2, 3], [], 0,
                     id="37 identical rows are both kept here"),
        pytest.param(b",9,2025-01-02,x\n", [2], [], 0, id="39 a missing id is left to staging"),
    ],
)  # fmt: skip
def test_rows(lake: Lake, body, loaded, rejected, blank):
    lake.deliver(HEADER + body)
    result = lake.ingest()
    assert result.problems == []
    assert [row["_row_number"] for row in lake.raw()] == loaded
    got = [(row["_row_number"], row["reason"], row["raw_text"]) for row in lake.rejected()]
    assert got == rejected
    assert (result.rows_delivered, result.rows_loaded) == (len(loaded) + len(rejected), len(loaded))
    assert (result.rows_rejected, result.rows_blank) == (len(rejected), blank)
    (file,) = lake.files()
    assert [file[f"rows_{what}"] for what in ("delivered", "loaded", "rejected", "blank")] == [
        len(loaded) + len(rejected), len(loaded), len(rejected), blank,
    ]  # fmt: skip


def test_a_rejected_row_says_where_it_comes_from(lake: Lake):
    path = lake.deliver(HEADER + b"1,2\n")
    lake.ingest()
    (row,) = lake.rejected()
    (file,) = lake.files()
    assert list(row) == ["_source", "_entity", "_file_sha256", "_file_name", "_row_number",
                         "_mapping_version", "reason", "raw_text"]  # fmt: skip
    assert row["_file_sha256"] == file["file_sha256"] == scan.hash_file(path)
    assert row["_mapping_version"] == file["mapping_version"]
    assert (row["_source"], row["_entity"], row["_file_name"]) == (
        "telco",
        "survey_responses",
        "a.csv",
    )


def test_37_identical_rows_have_one_hash_whatever_the_file(lake: Lake):
    lake.deliver(
        HEADER + b"1,9,2025-01-02,x\n2,9,2025-01-02,x\n1,9,2025-01-02,x\n1,9,2025-01-02,\n"
    )
    lake.deliver(b"text,id,nps,date,new\nx,1,9,2025-01-02T00:00:00Z,n\n", "b.csv")
    lake.ingest()
    hashes = [row["_row_hash"] for row in sorted(lake.raw(), key=lambda r: r["_file_name"])]
    assert hashes[0] == hashes[2] == hashes[4]
    assert len(set(hashes)) == 3
    assert all(len(each) == 32 for each in hashes)


def test_marks_inside_cells_do_not_make_rows_alike(lake: Lake):
    lake.declare(columns={"response_id": "id", "score": "nps", "submitted_at": "date",
                          "touchpoint": "t", "comment": "text"})  # fmt: skip
    lake.deliver(b"id,nps,date,t,text\n1,9,2025-01-02,a\x1f,b\n1,9,2025-01-02,a,\x1fb\n")
    lake.ingest()
    assert len({row["_row_hash"] for row in lake.raw()}) == 2


def test_columns_of_the_lake_and_their_order(lake: Lake):
    lake.declare(attributes={"region": "r"}, customer_source="crm")
    lake.deliver(b"id,nps,date,text,r,z\n1,9,2025-01-02,x,North,\n2,9,2025-01-02,x,,q\n")
    lake.ingest()
    first, second = lake.raw()
    assert list(first) == [
        "response_id", "score", "submitted_at", "survey_id", "invitation_id", "customer_id",
        "email", "account_id", "metric", "survey_type", "scale", "channel", "touchpoint",
        "comment", "language", "updated_at", "is_deleted", "is_test", "_attributes", "_extra",
        "_email_key", "_source", "_customer_source", "_file_sha256", "_file_name", "_row_number",
        "_ingested_at", "_snapshot_at", "_mapping_version", "_row_hash", "_flags",
    ]  # fmt: skip
    assert first["_attributes"] == '{"region":"North"}'
    assert second["_attributes"] == '{"region":null}'
    assert (first["_extra"], second["_extra"]) == ('{"z":null}', '{"z":"q"}')
    assert (first["_source"], first["_customer_source"]) == ("telco", "crm")
    assert (first["metric"], first["scale"], first["channel"]) == ("nps", "0-10", None)
    assert first["_flags"] is None


def test_what_looks_like_code_stays_text(lake: Lake):
    cells = ["=1+1", "+1", "-1", "@x", "'; drop table x; --", "{{ 7*7 }}", "<script>", "\u202eabc",
             "a\u200bb", " 9 ", "NULL", "null", "NaN", "N/A", "true", "0x9"]  # fmt: skip
    out = io.StringIO()
    csv.writer(out).writerows([str(i), "9", "2025-01-02", cell] for i, cell in enumerate(cells))
    lake.deliver(HEADER + out.getvalue().encode())
    lake.ingest()
    assert [row["comment"] for row in lake.raw()] == cells


def test_names_that_look_like_code_stay_names(lake: Lake):
    lake.declare(
        columns={"response_id": "i'd", "score": 'n"ps', "submitted_at": "d)--", "comment": "{{x}}"},
        constants={"metric": "nps", "survey_type": "it's", "scale": "0-10", "channel": "'; drop"},
        attributes={"region": "a||b"},
    )
    lake.deliver(b'i\'d,"n""ps",d)--,{{x}},a||b,it\'s\n1,9,2025-01-02,x,y,z\n')
    assert lake.ingest().problems == []
    (row,) = lake.raw()
    assert (row["response_id"], row["score"], row["comment"]) == ("1", "9", "x")
    assert (row["survey_type"], row["channel"]) == ("it's", "'; drop")
    assert (row["_attributes"], row["_extra"]) == ('{"region":"y"}', '{"it\'s":"z"}')


@pytest.mark.parametrize(
    ("cells", "joined"),
    [("a,b", "a|b"), (",b", "|b"), ("a,", "a|"), ('"a|",b', "a||b")],
)
def test_a_key_of_several_columns_is_joined(lake: Lake, cells: str, joined: str):
    lake.declare(columns={"response_id": ["wave", "id"], "score": "nps", "submitted_at": "date"})
    lake.deliver(f"wave,id,nps,date\n{cells},9,2025-01-02\n,,8,2025-01-03\n")
    lake.ingest()
    assert [row["response_id"] for row in lake.raw()] == [joined, None]


@pytest.mark.parametrize(
    ("email", "key"),
    [
        ("Ann@Example.COM", "ann@example.com"),
        (" ann@example.com\t", "ann@example.com"),
        ("ann+nps@example.com", "ann+nps@example.com"),
        ("ａｎｎ＠ｅｘａｍｐｌｅ．ｃｏｍ", "ann@example.com"),
        ("\u00a0ann@example.com", "ann@example.com"),
        ("JOSÉ@example.com", "josé@example.com"),
        ("jose\u0301@example.com", "josé@example.com"),
        ("ann@example", None),
        ("ann", None),
        ("a@b@c.de", None),
        ("ann smith@example.com", None),
        ("", None),
    ],
)
def test_the_key_of_an_email(lake: Lake, email: str, key: str | None):
    lake.declare(columns={"response_id": "id", "score": "nps", "submitted_at": "date",
                          "email": "text"})  # fmt: skip
    lake.deliver(HEADER + f"1,9,2025-01-02,{email}\n".encode())
    lake.ingest()
    (row,) = lake.raw()
    assert row["_email_key"] == key
    assert row["email"] == (email or None)


# --- properties -------------------------------------------------------------------------------

CELL = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0") | st.sampled_from(',"\n\r;x'),
    max_size=8,
)


def record(cells: list[str]) -> str:
    """One record with every cell quoted, so that any text is one."""
    return ",".join('"' + cell.replace('"', '""') + '"' for cell in cells)


ROW = st.one_of(
    st.lists(CELL, min_size=WIDTH, max_size=WIDTH).map(lambda cells: ("row", cells)),
    st.lists(CELL, min_size=1, max_size=WIDTH + 2)
    .filter(lambda cells: len(cells) != WIDTH and any(cell.strip() for cell in cells))
    .map(lambda cells: ("wrong_width", cells)),
    st.just(("blank", [])),
    st.just(("repeated_header", ["id", "nps", "date", "text"])),
)


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(ROW, min_size=1, max_size=30),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    is_ended=st.booleans(),
    block=st.sampled_from([512, 4096]),
)
def test_every_delivered_row_is_accounted_for(rows, end, is_ended, block):
    """Random rows, faulty ones among them: each is where it belongs, with its place and text."""
    rows = [("blank", []) if not any(cells) else (kind, cells) for kind, cells in rows]
    text = end.join(["id,nps,date,text", *(record(cells) for _, cells in rows)])
    places = {kind: [] for kind in ("row", "wrong_width", "repeated_header", "blank")}
    for place, (kind, cells) in enumerate(rows, start=2):
        is_header = cells == ["id", "nps", "date", "text"]
        places["repeated_header" if is_header else kind].append((place, cells))
    # What follows the last line end is a line only if there is something.
    if not is_ended and rows[-1][0] == "blank" and rows[-1][1] == []:
        places["blank"].pop()
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(delimited, "_MIN_BLOCK", block)
        patch.setattr(scan, "CHUNK", 37)
        lake = Lake(Path(folder)).declare(format={"allow_empty": True, "max_field_kb": 1})
        lake.deliver(text + (end if is_ended else ""))
        result = lake.ingest()
        raw, rejected = lake.raw(), lake.rejected()
    assert result.problems == []
    assert [row["_row_number"] for row in raw] == [place for place, _ in places["row"]]
    names = ("response_id", "score", "comment")
    assert [[row[name] for name in names] for row in raw] == [
        # blanks around an id are no part of it
        [cells[0].strip() or None, cells[1] or None, cells[3] or None]
        for _, cells in places["row"]
    ]
    got = {(row["_row_number"], row["reason"]): row["raw_text"] for row in rejected}
    assert set(got) == {(place, kind) for kind in ("wrong_width", "repeated_header")
                        for place, _ in places[kind]}  # fmt: skip
    for place, cells in places["wrong_width"]:
        assert got[place, "wrong_width"] == record(cells)
    assert result.rows_delivered == result.rows_loaded + result.rows_rejected
    assert (result.rows_loaded, result.rows_rejected) == (len(raw), len(rejected))
    assert result.rows_blank == len(places["blank"])


@settings(max_examples=1000, deadline=None)
@given(
    text=st.text(st.sampled_from('",\nxé \r'), max_size=40),
    chunk=st.integers(1, 9),
)
def test_quotation_marks_are_judged_as_the_csv_module_reads_them(text, chunk):
    """A mark out of place is found just where the csv module is out of step, wherever it is cut."""
    data = text.encode()
    quotes = scan.Quotes(",", '"')
    for start in range(0, len(data), chunk):
        quotes.feed(data[start : start + chunk])
    quotes.close()
    try:
        list(csv.reader(io.StringIO(text, newline=""), strict=True))
        fault = False
    except csv.Error:
        fault = True
    assert (quotes.fault_line is not None) == fault
    if fault:
        assert 1 <= quotes.fault_line <= scan.lines_ended(data) + 1


@settings(max_examples=100, deadline=None)
@given(text=st.text(st.sampled_from("\n\rx"), max_size=20), chunk=st.integers(1, 5))
def test_lines_are_counted_as_python_splits_them(text, chunk):
    lines, data = scan.Lines(), text.encode()
    for start in range(0, len(data), chunk):
        lines.feed(data[start : start + chunk])
    assert lines.total == len(data.splitlines())
