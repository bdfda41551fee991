"""Whole files: each fault has its one reason; what is merely unusual is accepted."""

from __future__ import annotations

import errno
import gzip
import io
import itertools
import json
import os
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ingest_support import HEADER, RESPONSES, Lake

from orchestration.core.errors import UserError
from orchestration.lake import delimited, load_file, rawfile, scan, unclaimed_files

GOOD = HEADER + b"1,9,2025-01-02,fine\n"
HTML = b"<!DOCTYPE html>\n<html><body>\n<h1>502 Bad Gateway</h1>\n</body></html>\n"


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../evil.csv", b"0" * 1_000_000)
    return out.getvalue()


# content, changes of format, reason, rows as far as they can be counted
FAULTS = {
    "1 empty": (b"", {}, "empty_file", 0),
    "1 only a byte order mark": (b"\xef\xbb\xbf", {}, "empty_file", 0),
    "1 only blank lines": (b"\n \r\n\n", {}, "empty_file", 2),
    "2 header only": (HEADER, {}, "header_only", 0),
    "2 header only, no line end": (HEADER[:-1], {}, "header_only", 0),
    "2 header and blank lines": (HEADER + b"\n\n", {}, "header_only", 0),
    "2 fewer lines than header rows": (HEADER, {"header_rows": 3}, "header_only", 0),
    "3 HTML": (HTML, {}, "not_a_table", 3),
    "3 XML": (b'<?xml version="1.0"?>\n<Error/>\n', {}, "not_a_table", 1),
    "3 JSON error": (b'{"error": "rate limited"}', {}, "not_a_table", 0),
    "3 PDF": (b"%PDF-1.7\nx", {}, "not_a_table", 0),
    "3 old Excel": (b"\xd0\xcf\x11\xe0\xa1\xb1", {}, "not_a_table", 0),
    "4 UTF-16LE": (GOOD.decode().encode("utf-16-le"), {}, "utf16_without_bom", 0),
    "4 UTF-16BE": (GOOD.decode().encode("utf-16-be"), {}, "utf16_without_bom", 0),
    "4 declared UTF-16": (
        GOOD.decode().encode("utf-16-le"),
        {"encoding": "utf-16"},
        "utf16_without_bom",
        0,
    ),
    "5 latin-1": (HEADER + "1,9,2025-01-02,café\n".encode("latin-1"), {}, "encoding_mismatch", 1),
    "6 cp1252": (HEADER + "1,9,2025-01-02,5 €\n".encode("cp1252"), {}, "encoding_mismatch", 1),
    "7 cp1251": (HEADER + "1,9,2025-01-02,да\n".encode("cp1251"), {}, "encoding_mismatch", 1),
    "8 one bad byte": (GOOD * 3 + b"2,9,2025-01-02,\xff\n" + GOOD, {}, "encoding_mismatch", 8),
    "8 cut in a character": (GOOD + b"2,9,2025-01-02,\xc3", {}, "encoding_mismatch", 2),
    "9 NUL": (GOOD + b"2,9,2025-01-02,a\0b\n", {}, "nul_byte", 2),
    "10 unclosed at the end": (GOOD + b'2,9,2025-01-02,"open\n3,8,2025-01-03,x\n', {},
                               "unclosed_quote", 3),
    "10 closed by a later quote": (GOOD + b'2,9,2025-01-02,"open\n3,8,2025-01-03,"x"\n', {},
                                   "unclosed_quote", 3),
    "10 two, swallowing a row": (GOOD + b'2,9,2025-01-02,"open\n3,8,2025-01-03,"x\n', {},
                                 "unclosed_quote", 3),
    "10 in the header": (b'id,nps,date,"text\n1,9,2025-01-02,fine\n', {}, "unclosed_quote", 1),
    "11 semicolons": (GOOD.replace(b",", b";"), {}, "wrong_delimiter", 1),
    "11 quoted semicolons": (b'"id";"nps";"date";"text"\n"1";"9";"2025-01-02";"x"\n', {},
                             "wrong_delimiter", 1),
    "11 tabs": (GOOD.replace(b",", b"\t"), {}, "wrong_delimiter", 1),
    "11 commas where tabs are declared": (GOOD, {"type": "tsv"}, "wrong_delimiter", 1),
    "12 duplicate header": (b"id,nps,date,text,text\n1,9,2025-01-02,a,b\n", {},
                            "duplicate_header", 1),
    "12 duplicate not mapped": (b"id,nps,date,text,q,q\n1,9,2025-01-02,a,b,c\n", {},
                                "duplicate_header", 1),
    "12 duplicate but for case": (b"ID,Id,nps,date,text\n1,2,9,2025-01-02,a\n", {},
                                  "duplicate_header", 1),
    "12 duplicate but for a blank": (b"id,nps,Nps ,date,text\n1,9,2,2025-01-02,a\n", {},
                                     "duplicate_header", 1),
    "13 missing": (b"id,nps,date\n1,9,2025-01-02\n2,9,2025-01-02\n", {}, "missing_column", 2),
    "14 renamed": (b"id,score,date,text\n1,9,2025-01-02,x\n", {}, "missing_column", 1),
    "15 oversized field": (HEADER + b"1,9,2025-01-02," + b"x" * 3000 + b"\n", {"max_field_kb": 2},
                           "oversized_field", 1),
    "15 a row beyond a block": (HEADER + b"1,9,2025-01-02," + b"x" * (17 << 20) + b"\n",
                                {"max_field_kb": 1}, "oversized_field", 1),
    "17 zip": (zipped(), {}, "compressed_file", 0),
    "17 gzip": (gzip.compress(GOOD), {}, "compressed_file", 0),
    "17 zip where Parquet is declared": (zipped(), {"type": "parquet"}, "compressed_file", 0),
    "31 preamble": (b"Export of 1 June\n\n" + GOOD, {}, "missing_column", 3),
    "invalid JSON": (b'[{"id": 1},', {"type": "json"}, "invalid_json", 0),
    "JSON error body": (b'{"error": "rate limited"}', {"type": "json"}, "not_a_table", 0),
    "JSON without records": (b'{"data": 1}', {"type": "json", "records": "data"}, "not_a_table", 0),
    "JSON of no objects": (b"[1, 2]", {"type": "json"}, "invalid_json", 2),
    "JSON of other things": (b'[{"a": 1}]', {"type": "json"}, "not_a_table", 1),
    "JSON without the key": (b'[{"nps": 1}]', {"type": "json"}, "missing_column", 1),
    "JSON, empty array": (b"[]", {"type": "json"}, "header_only", 0),
    "HTML for JSON": (HTML, {"type": "json"}, "not_a_table", 0),
    "HTML for JSON lines": (HTML, {"type": "jsonl"}, "not_a_table", 4),
    "JSON for JSON lines": (b'[{"id": 1}]', {"type": "jsonl"}, "not_a_table", 1),
    "JSON lines, error body": (b'{"error": "x"}\n', {"type": "jsonl"}, "not_a_table", 1),
    "JSON lines, none valid": (b"{\n}\n", {"type": "jsonl"}, "invalid_json", 2),
    "JSON lines, empty": (b"\n", {"type": "jsonl"}, "empty_file", 1),
    "unreadable Parquet": (b"PAR1 nonsense", {"type": "parquet"}, "unreadable_parquet", 0),
    "CSV where Parquet is declared": (GOOD, {"type": "parquet"}, "unreadable_parquet", 0),
    "Parquet where CSV is declared": (b"PAR1 nonsense", {}, "not_a_table", 0),
}  # fmt: skip


@pytest.mark.parametrize("case", FAULTS)
def test_a_faulty_file_is_quarantined_with_its_reason(lake: Lake, case: str):
    content, form, reason, rows = FAULTS[case]
    lake.declare(format=form).deliver(content, "b.csv")
    result = lake.ingest()
    assert [problem.reason for problem in result.problems] == [reason]
    assert (result.files_found, result.files_new, result.files_quarantined) == (1, 0, 1)
    assert lake.archived(content)
    assert lake.raw() == lake.rejected() == []
    (file,) = lake.files()
    assert (file["status"], file["reason"], file["file_name"]) == ("quarantined", reason, "b.csv")
    assert (file["rows_delivered"], file["rows_loaded"], file["rows_rejected"]) == (rows, 0, rows)
    # Reading it again changes nothing, and it is still reported.
    before = lake.everything()
    again = lake.ingest()
    assert again.problems == result.problems
    assert again.rows_delivered == 0
    assert lake.everything() == before


# Where the good files beside it are good under the same format.
@pytest.mark.parametrize(
    "case", [case for case in FAULTS if set(FAULTS[case][1]) <= {"max_field_kb"}]
)
def test_one_bad_file_does_not_stop_the_others(lake: Lake, case: str):
    content, form, reason, _ = FAULTS[case]
    lake.declare(format=form)
    lake.deliver(GOOD.replace(b"fine", b"first"), "a.csv")
    lake.deliver(content, "b.csv")
    lake.deliver(GOOD, "c.csv")
    result = lake.ingest()
    assert (result.files_found, result.files_new, result.files_quarantined) == (3, 2, 1)
    assert sorted(row["comment"] for row in lake.raw()) == ["fine", "first"]
    assert [(problem.file_name, problem.reason) for problem in result.problems] == [
        ("b.csv", reason)
    ]


def test_messages_name_the_line_and_never_a_cell(lake: Lake):
    lake.deliver(HEADER + b"1,9,2025-01-02,secret@example.com\n2,9,2025-01-02,\xff\n", "enc.csv")
    lake.deliver(GOOD + b'2,9,2025-01-02,"secret@example.com\n', "quote.csv")
    lake.deliver(b"secret@example.com,nps,nps,text,date,id\nx,secret\n", "header.csv")
    lake.deliver(b"id,secret@example.com,nps,date\n1,1,9,2025-01-02\n", "missing.csv")
    lake.deliver(GOOD + b"3,9,2025-01-02,secret,x\n", "width.csv")
    lake.deliver(b"id,nps,date,text,secret@example.com\n1,9,2025-01-02,,\n", "extra.csv")
    result = lake.ingest()
    messages = {problem.file_name: problem.message for problem in result.problems}
    assert "line 3" in messages["enc.csv"]
    assert "line 3" in messages["quote.csv"]
    assert "'text'" in messages["missing.csv"]
    assert "'nps'" in messages["header.csv"]
    assert any("1 not shown" in warning for warning in result.warnings)
    assert "secret" not in str(result)
    assert b"secret" not in (lake.root / "lake/manifest/manifest.jsonl").read_bytes()


def test_a_wrong_delimiter_is_named(lake: Lake):
    lake.deliver(GOOD.replace(b",", b";"))
    (problem,) = lake.ingest().problems
    assert "';'" in problem.message
    lake.declare(format={"delimiter": ";"})
    assert lake.ingest().files_rederived == 1
    assert [row["comment"] for row in lake.raw()] == ["fine"]


@pytest.mark.parametrize("form", [{}, {"type": "jsonl"}, {"type": "parquet"}])
def test_16_an_oversized_file_is_not_even_read(lake: Lake, form: dict, monkeypatch):
    lake.declare(format={**form, "max_file_mb": 1})
    path = lake.deliver(b"x" * ((1 << 20) + 1))
    monkeypatch.setattr(scan, "scan_file", lambda *a, **k: pytest.fail("it was read"))
    result = lake.ingest()
    assert [problem.reason for problem in result.problems] == ["oversized_file"]
    assert not lake.archived(path.read_bytes())
    assert [file["reason"] for file in lake.files()] == ["oversized_file"]
    lines = len(lake.events())
    lake.ingest()
    assert len(lake.events()) == lines
    path.unlink()
    lake.ingest()
    assert lake.files() == []


@pytest.mark.parametrize("target", ["/etc/passwd", "../../outside.csv", "../nowhere.csv", "a.csv"])
def test_19_a_link_out_of_landing_is_not_followed(lake: Lake, target: str):
    (lake.root / "outside.csv").write_bytes(GOOD)
    (lake.landing / "a.csv").symlink_to(target)
    result = lake.ingest()
    assert [problem.reason for problem in result.problems] == ["outside_landing"]
    assert lake.raw() == []
    assert not list((lake.root / "lake/archive").rglob("*"))
    (lake.landing / "a.csv").unlink()
    lake.deliver(GOOD)
    lake.ingest()
    assert [file["status"] for file in lake.files()] == ["loaded"]


def test_19_a_folder_linked_out_of_landing_is_not_followed(lake: Lake):
    (lake.root / "elsewhere").mkdir()
    (lake.root / "elsewhere/a.csv").write_bytes(GOOD)
    lake.declare(files="*/*.csv")
    (lake.landing / "sub").symlink_to(lake.root / "elsewhere")
    assert [problem.reason for problem in lake.ingest().problems] == ["outside_landing"]


def test_a_pipe_is_not_opened(lake: Lake):
    os.mkfifo(lake.landing / "a.csv")
    assert [problem.reason for problem in lake.ingest().problems] == ["outside_landing"]


@pytest.mark.parametrize("change", ["grows", "gets another time", "vanishes"])
def test_20_a_file_being_written_is_taken_up_next_time(lake: Lake, change: str, monkeypatch):
    path = lake.deliver(GOOD)
    original = scan.scan_file

    def while_written(*args, **kwargs):
        found = original(*args, **kwargs)
        if change == "grows":
            path.write_bytes(GOOD + b"2,8,2025-01-03,more\n")
        elif change == "gets another time":
            os.utime(path)
        else:
            path.unlink()
        return found

    monkeypatch.setattr(scan, "scan_file", while_written)
    result = lake.ingest()
    assert [problem.reason for problem in result.problems] == ["still_being_written"]
    assert lake.raw() == lake.files() == []
    assert not lake.archived(GOOD)
    monkeypatch.undo()
    again = lake.ingest()
    assert again.problems == []
    assert len(lake.raw()) == {"grows": 2, "gets another time": 1, "vanishes": 0}[change]


def test_21_a_new_version_of_a_file_is_kept_beside_the_old(lake: Lake):
    newer = GOOD + b"2,8,2025-01-03,more\n"
    lake.deliver(GOOD)
    lake.ingest()
    lake.deliver(newer)
    result = lake.ingest()
    assert (result.files_found, result.files_new, result.rows_loaded) == (1, 1, 2)
    assert lake.archived(GOOD)
    assert lake.archived(newer)
    assert len(lake.raw()) == 3
    assert [(file["file_name"], file["status"]) for file in lake.files()] == [
        ("a.csv", "loaded"),
        ("a.csv", "loaded"),
    ]


ACCEPTED = {
    "22 UTF-8 with a mark": b"\xef\xbb\xbf" + GOOD,
    "23 UTF-16LE with a mark": b"\xff\xfe" + GOOD.decode().encode("utf-16-le"),
    "24 UTF-16BE with a mark": b"\xfe\xff" + GOOD.decode().encode("utf-16-be"),
    "UTF-32 with a mark": b"\xff\xfe\0\0" + GOOD.decode().encode("utf-32-le"),
    "25 CR LF": GOOD.replace(b"\n", b"\r\n"),
    "25 CR": GOOD.replace(b"\n", b"\r"),
    "25 no line end": GOOD[:-1],
    "26 reordered": b"text,date,id,nps\nfine,2025-01-02,1,9\n",
    "27 case and spaces": b" ID ,Nps,  DATE,Text\n1,9,2025-01-02,fine\n",
    "27 quoted names": b'"id","nps","date","text"\n"1","9","2025-01-02","fine"\n',
    "blank lines before the header": b"\n\n" + GOOD,
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_an_unusual_file_is_accepted(lake: Lake, case: str):
    lake.deliver(ACCEPTED[case])
    result = lake.ingest()
    assert result.problems == []
    (row,) = lake.raw()
    assert (row["response_id"], row["score"], row["comment"]) == ("1", "9", "fine")
    assert row["submitted_at"] == "2025-01-02T00:00:00.000000Z"
    assert row["_row_number"] == (4 if "before" in case else 2)
    assert lake.archived(ACCEPTED[case])


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "cp1251", "utf-16-le", "utf-16-be",
                                      "shift_jis", "utf-8-sig"])  # fmt: skip
def test_a_declared_encoding_is_used(lake: Lake, encoding: str):
    text = {"cp1251": "да", "shift_jis": "はい"}.get(encoding, "café")
    lake.declare(format={"encoding": encoding})
    lake.deliver((HEADER.decode() + f"1,9,2025-01-02,{text}\n").encode(encoding))
    assert lake.ingest().problems == []
    assert [row["comment"] for row in lake.raw()] == [text]


def test_a_byte_order_mark_wins_over_the_declared_encoding(lake: Lake):
    lake.declare(format={"encoding": "cp1252"})
    lake.deliver(b"\xef\xbb\xbf" + HEADER + "1,9,2025-01-02,café\n".encode())
    lake.ingest()
    assert [row["comment"] for row in lake.raw()] == ["café"]


def test_25_mixed_line_ends_and_quoted_ones(lake: Lake):
    lake.deliver(HEADER + b'1,9,2025-01-02,a\r2,9,2025-01-02,"b\r\nc"\r\n3,9,2025-01-02,"d\re"\n')
    lake.ingest()
    assert [row["comment"] for row in lake.raw()] == ["a", "b\r\nc", "d\re"]
    assert [row["_row_number"] for row in lake.raw()] == [2, 3, 4]


@pytest.mark.parametrize(
    "name",
    ["a[1]*?.csv", "it's \"quoted\".csv", "{x}.csv", "sp ace\n\x1b[31m.csv", "-rf.csv", "é%s.csv",
     "sub/folder/b.csv"],
)  # fmt: skip
def test_28_any_name_of_a_file_is_fine(lake: Lake, name: str):
    lake.declare(files="**/*.csv")
    lake.deliver(GOOD, name)
    lake.deliver(GOOD + b"x\n", "other.csv")
    result = lake.ingest()
    assert (result.files_new, result.problems) == (2, [])
    assert {row["_file_name"] for row in lake.raw()} == {name, "other.csv"}


def test_97_a_name_cannot_forge_a_line(lake: Lake):
    lake.deliver(b"", "a\nWARN: all is well\x1b[2K\u202e.csv")
    (problem,) = lake.ingest().problems
    assert problem.file_name == "a\\nWARN: all is well\\x1b[2K\\u202e.csv"
    assert len(lake.events()) == 1


def test_a_name_that_is_not_unicode(lake: Lake):
    path = os.fsencode(lake.landing) + b"/a\xff.csv"
    with open(path, "wb") as file:
        file.write(GOOD)
    assert lake.ingest().files_new == 1
    assert lake.ingest().files_unchanged == 1
    assert [row["_file_name"] for row in lake.raw()] == ["a\\xff.csv"]


def test_29_an_extra_column_is_kept_with_a_warning(lake: Lake):
    lake.deliver(b"id,nps,date,text,Q7 (new),a@b.example,\n1,9,2025-01-02,x,yes,no,z\n")
    (warning,) = lake.ingest().warnings
    assert "2 columns not mapped" in warning
    assert "'Q7 (new)', 1 others" in warning
    assert lake.raw()[0]["_extra"] == '{"Q7 (new)":"yes","a@b.example":"no","column 7":"z"}'


def test_30_same_bytes_under_a_new_name_are_a_no_op(lake: Lake):
    lake.deliver(GOOD)
    lake.ingest()
    lake.deliver(GOOD, "copy.csv")
    result = lake.ingest()
    assert (result.files_found, result.files_new, result.files_unchanged) == (2, 0, 2)
    assert len(lake.raw()) == 1
    assert [event["event"] for event in lake.events()] == ["loaded", "seen_again"]
    lake.ingest()
    assert len(lake.events()) == 2


def test_unfinished_and_hidden_files_are_left_alone(lake: Lake):
    for name in ("a.csv.tmp", "a.csv.part", "a.csv.partial", "a.crdownload", "a.filepart",
                 ".a.csv", "~a.csv", "~$a.csv", "A.CSV.TMP"):  # fmt: skip
        lake.deliver(GOOD, name)
    assert lake.ingest().files_found == 0


def test_files_that_no_source_takes_up_are_told(lake: Lake):
    lake.declare(files="a*.csv")
    lake.deliver(GOOD, "a1.csv")
    lake.deliver(GOOD, "b.csv")
    lake.deliver(GOOD, ".hidden")
    assert unclaimed_files(lake.workspace) == ["telco/b.csv"]


def test_2_header_only_is_fine_where_declared(lake: Lake):
    lake.declare(format={"allow_empty": True}).deliver(HEADER)
    result = lake.ingest()
    assert (result.files_new, result.problems, lake.raw()) == (1, [], [])
    assert [file["status"] for file in lake.files()] == ["loaded"]


@pytest.mark.parametrize("header", [1, 2, 3])
def test_one_of_three_header_rows_names_the_columns(lake: Lake, header: int):
    other = [b'"Question\n1",Label,,x\n', b'"{""ImportId"":""a""}",b,c,d\n']
    other.insert(header - 1, HEADER)
    lake.declare(format={"header_rows": 3, "header": header})
    lake.deliver(b"".join(other) + b"1,9,2025-01-02,fine\n" + other[0] + b"bad\n")
    result = lake.ingest()
    assert result.problems == []
    (row,) = lake.raw()
    assert (row["response_id"], row["_row_number"]) == ("1", 4)
    assert sorted((r["_row_number"], r["reason"]) for r in lake.rejected()) == [
        (5, "repeated_header"),
        (6, "wrong_width"),
    ]


def test_names_that_differ_in_case_are_two_where_the_mapping_names_both(lake: Lake):
    header = b"ID,id,nps,date,text\nwrong,right,9,2025-01-02,x\n"
    lake.deliver(header)
    (problem,) = lake.ingest().problems
    assert problem.reason == "duplicate_header"
    assert "'ID', 'id'" in problem.message
    columns = {"response_id": "id", "customer_id": "ID", "score": "nps", "submitted_at": "date"}
    lake.declare(columns=columns)
    assert lake.ingest().problems == []
    assert [(row["response_id"], row["customer_id"]) for row in lake.raw()] == [("right", "wrong")]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_counting_a_file_larger_than_a_block(lake: Lake, kind: str, monkeypatch):
    monkeypatch.setattr(delimited, "_MIN_BLOCK", 1 << 12)
    monkeypatch.setattr(scan, "CHUNK", 1000)
    monkeypatch.setattr(rawfile, "GROUP", 500)
    lake.declare(format={"type": kind, **({"max_field_kb": 1} if kind != "parquet" else {})})
    rows = [(str(i), str(i % 11), "2025-01-02", f'say "{i}"\nto, me') for i in range(3000)]
    if kind == "csv":
        body = "".join('{},{},{},"{}"\n'.format(*r[:3], r[3].replace('"', '""')) for r in rows)
        lake.deliver(HEADER + body.encode())
    else:
        table = pa.table(list(zip(*rows, strict=True)), names=["id", "nps", "date", "text"])
        if kind == "parquet":
            out = io.BytesIO()
            pq.write_table(table, out, row_group_size=700)
            lake.deliver(out.getvalue())
        else:
            lines = [json.dumps(row) + "\n" for row in table.to_pylist()]
            lake.deliver("".join(lines))
    result = lake.ingest()
    assert (result.rows_delivered, result.rows_loaded, result.problems) == (3000, 3000, [])
    got = [(r["response_id"], r["score"], r["submitted_at"][:10], r["comment"]) for r in lake.raw()]
    assert got == rows
    first = 2 if kind == "csv" else 1
    assert [row["_row_number"] for row in lake.raw()] == list(range(first, 3000 + first))
    # what was read in small pieces is written in groups of a size
    (path,) = (lake.root / "lake/raw/survey_responses").glob("telco-*.parquet")
    metadata = pq.read_metadata(path)
    *groups, _ = [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)]
    assert groups
    assert all(500 <= rows < 1000 for rows in groups)


def test_progress_is_reported(lake: Lake, monkeypatch):
    monkeypatch.setattr(load_file, "_SMALL", 0)  # small files are not worth a line each
    lake.deliver(GOOD)
    lines = []
    lake.ingest(lines.append)
    assert lines == ["telco/survey_responses: file 1 of 1"]
    clock = itertools.count(step=5)
    monkeypatch.setattr(load_file.time, "monotonic", lambda: next(clock))
    lake.deliver(GOOD + b"2,9,2025-01-03,slow\n", "b.csv")
    assert lake.ingest(lines.append).files_new == 1
    assert lines[-1] == "telco/survey_responses: b.csv: 2 rows read"


def test_a_full_disk_is_one_clear_line(lake: Lake, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device", "/x")

    lake.deliver(GOOD)
    monkeypatch.setattr(load_file, "commit", full)
    with pytest.raises(
        UserError, match=r"^telco/survey_responses: the disk is full; free some space$"
    ):
        lake.ingest()
    monkeypatch.undo()
    assert lake.ingest().files_new == 1


def test_the_sources_of_a_workspace_do_not_mix(lake: Lake):
    customers = {
        "name": "telco",
        "entity": "customers",
        "files": "c*.csv",
        "columns": {"customer_id": "id"},
        "timezone": "UTC",
    }
    lake.content["sources"] = [{**RESPONSES, "files": "a*.csv"}, customers]
    lake.deliver(GOOD, "a.csv")
    lake.deliver(GOOD, "c.csv")  # the same bytes, as another entity
    lake.ingest()
    assert [row["customer_id"] for row in lake.raw("customers")] == ["1"]
    assert len(lake.raw()) == 1
    assert {(file["entity"], file["file_name"]) for file in lake.files()} == {
        ("survey_responses", "a.csv"),
        ("customers", "c.csv"),
    }
