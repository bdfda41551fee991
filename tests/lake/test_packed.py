"""Compressed deliveries and Parquet folders: what the name declares, within bounds."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ingest_support import HEADER, Lake

from orchestration.lake import packed, scan, unclaimed_files

GOOD = HEADER + b"1,9,2025-01-02,fine\n"


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


PACKED = {
    "a.csv.gz": gzip.compress(GOOD),
    "A.CSV.GZ": gzip.compress(GOOD),
    "two members.gz": gzip.compress(HEADER) + gzip.compress(GOOD[len(HEADER) :]),
    "a.zip": zipped({"export.csv": GOOD}),
    "stored.zip": zipped({"export.csv": GOOD}, zipfile.ZIP_STORED),
    "in a folder.zip": zipped({"a/": b"", "a/b/export.txt": GOOD}),
    "of a mac.zip": zipped({"export.csv": GOOD, "__MACOSX/._export.csv": b"x", ".DS_Store": b"x"}),
    "utf-16.zip": zipped({"export.csv": GOOD.decode().encode("utf-16")}),
    "utf-8 with a mark.gz": gzip.compress(b"\xef\xbb\xbf" + GOOD),
}


@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize("size", [8 << 20, 5])
def test_a_compressed_table_is_read(lake: Lake, name: str, size: int, monkeypatch):
    monkeypatch.setattr(packed, "CHUNK", size)
    lake.deliver(PACKED[name], name)
    assert lake.ingest().problems == []
    (row,) = lake.raw()
    assert (row["response_id"], row["comment"], row["_row_number"]) == ("1", "fine", 2)
    assert lake.archived(PACKED[name])
    # and again from the archive
    lake.declare(timezone="Europe/Brussels")
    assert lake.ingest().files_rederived == 1
    assert [row["submitted_at"] for row in lake.raw()] == ["2025-01-01T23:00:00.000000Z"]
    assert not list((lake.root / "lake").glob(".tmp*"))


@pytest.mark.parametrize("kind", ["json", "jsonl"])
def test_compressed_json(lake: Lake, kind: str):
    document = {"id": 1, "nps": 9, "date": "2025-01-02", "text": "fine"}
    text = json.dumps(document if kind == "jsonl" else [document])
    lake.declare(format={"type": kind}).deliver(gzip.compress(text.encode()), f"a.{kind}.gz")
    assert lake.ingest().problems == []
    assert [row["comment"] for row in lake.raw()] == ["fine"]


def test_a_large_compressed_table(lake: Lake):
    body = b"".join(b"%d,9,2025-01-02,text %d\n" % (number, number) for number in range(50_000))
    lake.deliver(gzip.compress(HEADER + body), "a.csv.gz")
    assert lake.ingest().rows_loaded == 50_000


def locked() -> bytes:
    content = bytearray(zipped({"export.csv": GOOD}))
    for magic, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(magic) + place] |= 1
    return bytes(content)


def link() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        member = zipfile.ZipInfo("export.csv")
        member.external_attr = 0o120777 << 16
        archive.writestr(member, "/etc/passwd")
    return out.getvalue()


def damaged() -> bytes:
    content = bytearray(zipped({"export.csv": GOOD}, zipfile.ZIP_STORED))
    content[content.index(b"fine")] ^= 1
    return bytes(content)


FAULTS = {
    "18 slip.zip": (zipped({"../../evil.csv": GOOD}), "compressed_file"),
    "18 absolute.zip": (zipped({"/etc/evil.csv": GOOD}), "compressed_file"),
    "18 slip of Windows.zip": (zipped({"..\\evil.csv": GOOD}), "compressed_file"),
    "18 slip beside the table.zip": (zipped({"a.csv": GOOD, "../b.csv": GOOD}), "compressed_file"),
    "a link.zip": (link(), "compressed_file"),
    "two tables.zip": (zipped({"a.csv": GOOD, "b.csv": GOOD}), "compressed_file"),
    "no table.zip": (zipped({"a/": b""}), "compressed_file"),
    "locked.zip": (locked(), "compressed_file"),
    "damaged.zip": (damaged(), "compressed_file"),
    "cut.zip": (zipped({"a.csv": GOOD})[:-10], "compressed_file"),
    "cut.csv.gz": (gzip.compress(GOOD)[:-10], "compressed_file"),
    "damaged.csv.gz": (gzip.compress(GOOD)[:-6] + b"xxxxxx", "compressed_file"),
    "nested.zip": (zipped({"a.csv.gz": gzip.compress(GOOD)}), "compressed_file"),
    "not named so.csv": (gzip.compress(GOOD), "compressed_file"),
    "another.csv.bz2": (bz2.compress(GOOD), "compressed_file"),
    "17 bomb.zip": (zipped({"a.csv": GOOD + b"\n" * (70 << 20)}), "oversized_file"),
    "17 bomb.csv.gz": (gzip.compress(GOOD + b"\n" * (70 << 20)), "oversized_file"),
    "empty.csv.gz": (gzip.compress(b""), "empty_file"),
    "header.zip": (zipped({"a.csv": HEADER}), "header_only"),
    "html.zip": (zipped({"a.csv": b"<!DOCTYPE html><html></html>"}), "not_a_table"),
    "parquet.zip": (zipped({"a.parquet": b"PAR1 x"}), "not_a_table"),
    "nul.csv.gz": (gzip.compress(GOOD + b"2,9,2025-01-02,\0\n"), "nul_byte"),
    "bad byte.csv.gz": (gzip.compress(GOOD + b"2,9,2025-01-02,\xff\n"), "encoding_mismatch"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_faulty_archive_has_its_reason(lake: Lake, name: str):
    content, reason = FAULTS[name]
    lake.deliver(content, name)
    result = lake.ingest()
    assert [problem.reason for problem in result.problems] == [reason]
    assert lake.raw() == lake.rejected() == []
    assert lake.archived(content)
    before = lake.everything()
    assert lake.ingest().problems == result.problems
    assert lake.everything() == before


def test_an_archive_beyond_the_limit_of_a_file(lake: Lake):
    noise = b"".join(b"%x\n" % (number * 2654435761 % 2**64) for number in range(120_000))
    lake.declare(format={"max_file_mb": 1})
    lake.deliver(gzip.compress(HEADER + noise), "a.csv.gz")
    (problem,) = lake.ingest().problems
    assert problem.reason == "oversized_file"
    assert "max_file_mb 1" in problem.message


def test_renaming_mends_what_the_name_says(lake: Lake):
    path = lake.deliver(PACKED["a.csv.gz"], "a.csv")
    assert [problem.reason for problem in lake.ingest().problems] == ["compressed_file"]
    path.rename(lake.landing / "a.csv.gz")
    assert lake.ingest().problems == []
    assert [row["_file_name"] for row in lake.raw()] == ["a.csv.gz"]
    assert [(file["file_name"], file["status"]) for file in lake.files()] == [
        ("a.csv.gz", "loaded")
    ]
    lake.declare(timezone="Europe/Brussels")
    assert lake.ingest().problems == []
    assert len(lake.raw()) == 1


def test_renaming_mends_a_snapshot_name(lake: Lake):
    lake.declare(snapshot_at="nps_%Y%m%d.csv")
    path = lake.deliver(GOOD, "nps.csv")
    assert [problem.reason for problem in lake.ingest().problems] == ["bad_snapshot_name"]
    path.rename(lake.landing / "nps_20250601.csv")
    assert lake.ingest().problems == []
    assert [str(row["_snapshot_at"]) for row in lake.raw()] == ["2025-06-01 00:00:00"]
    before = lake.everything()
    lake.ingest()
    assert lake.everything() == before


# --- Parquet folders -----------------------------------------------------------------------------


def part(number: int, **columns: str) -> bytes:
    out = io.BytesIO()
    row = {"id": str(number), "nps": "9", "date": "2025-01-02", "text": "fine", **columns}
    pq.write_table(pa.table({name: [value] for name, value in row.items()}), out)
    return out.getvalue()


@pytest.fixture
def folder(lake: Lake) -> Lake:
    attributes = {"country": "country"}
    lake.declare(files="answers", format={"type": "parquet"}, attributes=attributes)
    lake.deliver(part(1), "answers/country=BE/part-0.parquet")
    lake.deliver(part(2), "answers/country=C%C3%B4te%20d%27Ivoire/part-0.parquet")
    lake.deliver(part(3), "answers/country=__HIVE_DEFAULT_PARTITION__/part-0.parquet")
    lake.deliver(b"", "answers/_SUCCESS")
    lake.deliver(b"x", "answers/_delta_log/0.json")
    lake.deliver(b"x", "answers/country=BE/.part-0.parquet.crc")
    return lake


def test_a_parquet_folder_is_a_table(folder: Lake):
    result = folder.ingest()
    assert (result.problems, result.files_new) == ([], 3)
    found = {row["response_id"]: row["_attributes"] for row in folder.raw()}
    assert found == {
        "1": '{"country":"BE"}',
        "2": '{"country":"Côte d\'Ivoire"}',
        "3": '{"country":null}',
    }
    assert unclaimed_files(folder.workspace) == []
    folder.declare(timezone="Europe/Brussels")
    assert folder.ingest().files_rederived == 3
    assert {row["response_id"]: row["_attributes"] for row in folder.raw()} == found


def test_a_column_of_the_file_wins_over_the_folders(lake: Lake):
    lake.declare(
        files="**/*.parquet", format={"type": "parquet"}, attributes={"country": "country"}
    )
    lake.deliver(part(1, country="NL"), "answers/country=BE/part-0.parquet")
    assert lake.ingest().problems == []
    assert [row["_attributes"] for row in lake.raw()] == ['{"country":"NL"}']


def test_the_same_bytes_in_two_folders_are_told(folder: Lake):
    folder.ingest()
    folder.deliver(part(1), "answers/country=NL/part-0.parquet")
    result = folder.ingest()
    assert (result.files_new, result.files_unchanged) == (0, 4)
    assert "the same bytes lie in another folder" in result.warnings[0]


def test_a_folder_of_other_files_is_no_table(lake: Lake):
    lake.declare(files="answers")
    lake.deliver(GOOD, "answers/a.csv")
    assert lake.ingest().files_found == 0
    assert scan.CHUNK
