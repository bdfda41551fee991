"""Excel workbooks: the values that Excel keeps, read as strictly as a CSV file."""

from __future__ import annotations

import io
import zipfile

import pytest
from ingest_support import HEADER, RESPONSES, Lake
from workbooks import DAY, MOMENT, TIME, boolean, error, formula, number, sheet, text, workbook

NAMES = [text("id"), text("nps"), text("date"), text("text")]
GOOD = {1: NAMES, 2: [number(1), number(9), number(46044, DAY), text("fine")]}


@pytest.fixture
def book(lake: Lake) -> Lake:
    return lake.declare(format={"type": "xlsx"})


def deliver(lake: Lake, rows: dict, **sheets: dict) -> Lake:
    content = {"Answers": sheet(rows), **{name: sheet(each) for name, each in sheets.items()}}
    lake.deliver(workbook(content), "a.xlsx")
    return lake


def only(lake: Lake) -> dict:
    assert lake.ingest().problems == []
    (row,) = lake.raw()
    return row


def test_a_row_of_a_workbook(book: Lake):
    row = only(deliver(book, GOOD))
    assert (row["response_id"], row["score"], row["comment"]) == ("1", "9", "fine")
    # 46044 days after 30 December 1899: 2026-01-01 is day 46023
    assert row["submitted_at"] == "2026-01-22T00:00:00.000000Z"
    assert row["_row_number"] == 2


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (number(9), "9"),
        (number("9.0"), "9"),
        (number("1E1"), "10"),
        (number(8.5), "8.5"),
        (number("9.000000000000002"), "9.000000000000002"),
        (number(1001), "1001"),
        (number("123456789012345"), "123456789012345"),
        (number(-1), "-1"),
        (text(" 9 "), " 9 "),
        (text("10 - Extremely likely"), "10 - Extremely likely"),
        (formula(9), "9"),
        (error("#N/A"), "#N/A"),
        (boolean(True), "true"),
        (boolean(False), "false"),
        (number(0.5, TIME), "12:00:00"),
        (text(""), None),
        (None, None),
    ],
)
def test_the_text_of_a_cell(book: Lake, cell: str | None, expected: str | None):
    row = only(deliver(book, {1: NAMES, 2: [number(1), cell, number(46044, DAY), text("x")]}))
    assert row["score"] == expected


@pytest.mark.parametrize(
    ("cell", "zone", "expected"),
    [
        (number(46044, DAY), "UTC", "2026-01-22T00:00:00"),
        (number(46044.5, MOMENT), "UTC", "2026-01-22T12:00:00"),
        # 10:00 is 10 / 24 = 0.41666666666666 of a day
        (number("46044.41666666666", MOMENT), "Europe/Brussels", "2026-01-22T09:00:00"),
        (number("46044.41666666666"), "Europe/Brussels", "2026-01-22T09:00:00"),  # not shown as one
        (number(46044), "UTC", "2026-01-22T00:00:00"),
        (text("2026-01-22T10:00:00+02:00"), "Europe/Brussels", "2026-01-22T08:00:00"),
        (text("22/01/2026"), "UTC", "2026-01-22T00:00:00"),
        (text("46044"), "UTC", "2026-01-22T00:00:00"),
    ],
)
def test_times_as_excel_keeps_them(book: Lake, cell: str, zone: str, expected: str):
    book.declare(timezone=zone, timestamps={"submitted_at": "%d/%m/%Y"})
    row = only(deliver(book, {1: NAMES, 2: [number(1), number(9), cell, text("x")]}))
    assert row["submitted_at"] == expected + ".000000Z"
    assert row["_flags"] is None


@pytest.mark.parametrize("cell", [text("soon"), number(5), number(0.25), text("1e5"), number(-3)])
def test_what_is_no_time_is_flagged(book: Lake, cell: str):
    row = only(deliver(book, {1: NAMES, 2: [number(1), number(9), cell, text("x")]}))
    assert row["_flags"] == "submitted_at:bad_timestamp"


def test_the_calendar_of_1904(book: Lake):
    # 1 January 1904 is its day 0 and the other calendar's day 1462
    rows = {1: NAMES, 2: [number(1), number(9), number(46044 - 1462, DAY), text("x")]}
    book.deliver(workbook({"Answers": sheet(rows)}, epoch=1904), "a.xlsx")
    assert only(book)["submitted_at"] == "2026-01-22T00:00:00.000000Z"


def test_the_declared_sheet_and_header_row(book: Lake):
    book.declare(format={"type": "xlsx", "sheet": "Responses", "header_rows": 3, "header": 3})
    rows = {
        1: [text("Customer survey")],
        3: NAMES,
        4: GOOD[2],
        6: [number(2), number(8), number(46045, DAY), text("after a blank row")],
        7: [text("Total"), number(17)],
    }
    deliver(book, {1: [text("About")]}, Responses=rows)
    result = book.ingest()
    assert (result.problems, result.rows_delivered, result.rows_blank) == ([], 3, 1)
    assert [(row["response_id"], row["_row_number"]) for row in book.raw()] == [
        ("1", 4),
        ("2", 6),
        ("Total", 7),
    ]


def test_one_visible_sheet_needs_no_name(book: Lake):
    sheets = {"Lists": sheet({1: [text("x")]}), "Answers": sheet(GOOD)}
    book.deliver(workbook(sheets, hidden=("Lists",)), "a.xlsx")
    assert only(book)["comment"] == "fine"


def test_a_row_that_is_none(book: Lake):
    rows = {**GOOD, 3: NAMES, 4: [*GOOD[2], text("beside"), None], 5: [*GOOD[2], None, text("far")]}
    deliver(book, rows)
    result = book.ingest()
    assert (result.rows_delivered, result.rows_loaded, result.rows_rejected) == (4, 1, 3)
    assert [(r["_row_number"], r["reason"], r["raw_text"]) for r in book.rejected()] == [
        (3, "repeated_header", "id,nps,date,text"),
        (4, "wrong_width", "1,9,2026-01-22,fine,beside"),
        (5, "wrong_width", "1,9,2026-01-22,fine,,far"),
    ]


def test_a_column_that_is_not_mapped_is_kept(book: Lake):
    rows = {1: [*NAMES, text("Team"), None, text("")], 2: [*GOOD[2], text("red")]}
    row = only(deliver(book, rows))
    assert row["_extra"] == '{"Team":"red"}'


def test_more_rows_than_are_read_at_once(book: Lake):
    rows = {1: NAMES} | {
        at: [number(at), number(at % 11), number(46044, DAY), text("x")] for at in range(2, 9002)
    }
    deliver(book, rows)
    assert book.ingest().rows_loaded == 9000
    assert [row["_row_number"] for row in book.raw()] == list(range(2, 9002))


FAULTS = {
    "no workbook": (HEADER, "not_a_table"),
    "an old workbook": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 500, "unreadable_workbook"),
    "a damaged archive": (b"PK\x03\x04" + b"\0" * 60, "unreadable_workbook"),
    "cut": (workbook({"A": sheet(GOOD)})[:-40], "unreadable_workbook"),
    "broken XML": (workbook({"A": "<row r="}), "unreadable_workbook"),
    "two sheets": (workbook({"A": sheet(GOOD), "B": sheet(GOOD)}), "not_a_table"),
    "no rows": (workbook({"A": sheet({1: NAMES})}), "header_only"),
    "nothing": (workbook({"A": ""}), "header_only"),
    "no bytes": (b"", "empty_file"),
    "a missing column": (workbook({"A": sheet({1: NAMES[:3], 2: GOOD[2]})}), "missing_column"),
    "a column twice": (workbook({"A": sheet({1: [*NAMES, NAMES[0]], 2: GOOD[2]})}),
                       "duplicate_header"),
    "a long cell": (workbook({"A": sheet({1: NAMES, 2: [*GOOD[2][:3], text("x" * 3000)]})}),
                    "oversized_field"),
    "a cell far to the right": (
        workbook({"A": sheet({1: NAMES, 2: GOOD[2]}) + '<row r="3"><c r="XFD3"><v>1</v></c></row>'}),
        "oversized_file",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", FAULTS)
def test_a_faulty_workbook_has_its_reason(book: Lake, case: str):
    content, reason = FAULTS[case]
    book.declare(format={"type": "xlsx", "max_field_kb": 2})
    book.deliver(content, "a.xlsx")
    result = book.ingest()
    assert [problem.reason for problem in result.problems] == [reason]
    assert book.raw() == book.rejected() == []
    assert book.archived(content)
    before = book.everything()
    book.ingest()
    assert book.everything() == before


def test_two_cells_far_apart_take_no_memory(book: Lake):
    rows = sheet(GOOD) + '<row r="1048576"><c r="A1048576"><v>2</v></c></row>'
    book.deliver(workbook({"A": rows}), "a.xlsx")
    result = book.ingest()
    assert (result.problems, result.rows_delivered, result.rows_blank) == ([], 2, 1_048_573)


def test_a_workbook_that_swells_is_refused(book: Lake):
    content = workbook({"A": sheet(GOOD)})
    out = io.BytesIO(content)
    with zipfile.ZipFile(out, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/media/image.bin", b"\0" * (70 << 20))
    book.deliver(out.getvalue(), "a.xlsx")
    assert [problem.reason for problem in book.ingest().problems] == ["oversized_file"]


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"sheet": "Answer"}, "the workbook has no sheet 'Answer'; it has 'Answers', 'More'"),
        ({}, "the workbook has 2 sheets: 'Answers', 'More'; declare format.sheet"),
        ({"sheet": "More"}, "row 4 has them: declare format.header_rows and format.header 4"),
    ],
)
def test_messages_say_what_to_declare(book: Lake, form: dict, message: str):
    book.declare(format={"type": "xlsx", **form})
    deliver(book, GOOD, More={1: [text("About")], 4: NAMES, 5: GOOD[2]})
    (problem,) = book.ingest().problems
    assert message in problem.message


def test_a_workbook_where_a_text_is_declared(lake: Lake):
    lake.deliver(workbook({"A": sheet(GOOD)}), "a.xlsx")
    (problem,) = lake.ingest().problems
    assert problem.reason == "compressed_file"
    assert "declare format.type: xlsx" in problem.message
    lake.declare(format={"type": "xlsx"})
    assert lake.ingest().files_rederived == 1
    assert len(lake.raw()) == 1


def test_another_sheet_is_another_mapping(book: Lake):
    deliver(book, GOOD, More={1: NAMES, 2: [*GOOD[2][:3], text("more")]})
    for name, comment in (("Answers", "fine"), ("More", "more")):
        book.declare(format={"type": "xlsx", "sheet": name})
        book.ingest()
        assert [row["comment"] for row in book.raw()] == [comment]
    assert RESPONSES["entity"] == "survey_responses"
