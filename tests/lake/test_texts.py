"""Whole columns at once: the same texts as one by one, and as Python's own datetime reads them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ingest_support import HEADER, RESPONSES, Lake

from orchestration.lake import rawfile, texts, times
from orchestration.lake.columns import MARK


def by_hand(column: list[str | None], source, zone: str, *, is_date: bool):
    """The mapping's SQL on each text."""
    query = times.times_query(source, "submitted_at", zone, is_date=is_date)
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.register("texts", pa.table({"cell": pa.array(column, pa.string())}))
        return connection.execute(query).fetchall()


def at_once(column: list[str | None], source, zone: str, *, is_date: bool, start: int = 0):
    """The same by columns, of a slice as batches may be; None where it leaves them to SQL."""
    query = times.times_query(source, "submitted_at", zone, is_date=is_date)
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        found = texts.canonical_times(
            pa.array(["x"] * start + column, pa.string()).slice(start),
            is_iso=source.timestamps.get("submitted_at", ("iso",))[0] == "iso",
            zone=zone,
            is_date=is_date,
            read=lambda distinct: rawfile._read(connection, query, distinct),
        )
    if found is None:
        return None
    made, flags = found
    flags = [None] * len(made) if flags is None else flags.to_pylist()
    return list(zip(made.to_pylist(), flags, strict=True))


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return Lake(tmp_path_factory.mktemp("texts")).source


def never(distinct):
    raise AssertionError("a simple text was read by SQL")


def test_each_second_of_each_day_is_what_datetime_says(source):
    start = datetime(1899, 12, 1, 23, 59, 58, tzinfo=UTC)
    times = [start + timedelta(days=n, seconds=7919 * n) for n in range(0, 60_000, 7)]
    column = pa.array([f"{t:%Y-%m-%dT%H:%M:%S}Z" for t in times])
    made, flags = texts.canonical_times(
        column, is_iso=True, zone="Europe/Brussels", is_date=False, read=never
    )
    assert made.to_pylist() == [f"{t:%Y-%m-%dT%H:%M:%S}.000000Z" for t in times]
    assert flags is None


def test_every_day_there_is_and_no_other(source):
    """Of all that look like days from 1896 to 1908, and 1996 to 2004, datetime knows which are."""
    looks = [
        f"{year}-{month:02}-{day:02}"
        for year in (*range(1896, 1909), *range(1996, 2005))
        for month in range(14)
        for day in range(34)
    ]

    def is_day(text: str) -> bool:
        try:
            date.fromisoformat(text)
        except ValueError:
            return False
        return True

    cells = texts._bytes_of(pa.array(looks))[1].reshape(-1, 10)
    assert texts._is_time(cells).tolist() == [is_day(text) for text in looks]


odd = st.sampled_from(
    ["2025-02-30T10:00:00Z", "2025-06-01", "x", "2025-06-01T24:00:00Z", "2025-03-30T02:30:00",
     "2025-10-26T02:30:00", " 2025-06-01T10:00:00Z", "2025-06-01 10:00:00Z", "1000-13-01T00:00:00Z",
     "2025-06-01T10:00:00+02:00", "2025-06-01T10:00:60Z", "ä025-06-01T10:00:0Z", "20250601"]
)  # fmt: skip
simple = st.datetimes(datetime(1000, 1, 1), datetime(2999, 12, 31)).map(
    lambda t: t.isoformat(timespec="seconds") + "Z"
)
columns = st.lists(st.one_of(simple, simple, simple, simple, simple, odd, st.none()), max_size=60)


@settings(max_examples=60, deadline=None)
@given(
    column=columns,
    zone=st.sampled_from(["UTC", "Europe/Brussels"]),
    is_date=st.booleans(),
    start=st.integers(0, 9),
)
def test_a_column_at_once_is_its_texts_one_by_one(source, column, zone, is_date, start):
    found = at_once(column, source, zone, is_date=is_date, start=start)
    if found is not None:
        assert found == by_hand(column, source, zone, is_date=is_date)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Brussels"])
@pytest.mark.parametrize("formats", [["%d/%m/%Y"], ["%d/%m/%Y", "iso"]])
def test_few_distinct_texts_are_read_once_each(tmp_path, zone, formats):
    source = Lake(tmp_path).declare(timestamps={"submitted_at": formats}).source
    column = ["01/06/2025", "31/02/2025", None, "30/03/2025", "2025-06-01"] * 2000
    found = at_once(column, source, zone, is_date=False)
    assert found is not None
    assert found == by_hand(column, source, zone, is_date=False)


def test_many_distinct_texts_of_another_shape_are_left_to_sql(tmp_path):
    source = Lake(tmp_path).declare(timestamps={"submitted_at": "%d/%m/%Y %H:%M:%S"}).source
    start = datetime(2025, 1, 1)
    column = [f"{start + timedelta(seconds=n):%d/%m/%Y %H:%M:%S}" for n in range(10_000)]
    assert at_once(column, source, "UTC", is_date=False) is None


def test_flags_and_texts_of_a_file_of_nearly_one_shape(tmp_path):
    """Of 40 answers one has no such day and one a day alone, in a zone two hours ahead."""
    lake = Lake(tmp_path).declare(timezone="Europe/Brussels")
    days = [f"2025-06-01T10:00:{n:02}Z" for n in range(38)] + ["2025-02-30", "2025-06-02"]
    lake.deliver(HEADER + "".join(f"{n},9,{day},\n" for n, day in enumerate(days)).encode())
    lake.ingest()
    rows = lake.raw()
    assert [row["submitted_at"] for row in rows] == [
        *(f"2025-06-01T10:00:{n:02}.000000Z" for n in range(38)),
        "2025-02-30",
        "2025-06-01T22:00:00.000000Z",
    ]
    assert [row["_flags"] for row in rows] == [None] * 38 + ["submitted_at:bad_timestamp", None]


@pytest.mark.parametrize(
    ("column", "is_plain"),
    [(["a@b.example", None], True), (["a b"], False), (["é"], False), (["a\n"], False), ([], True)],
)
def test_what_is_plain(column, is_plain):
    assert texts.is_plain(pa.array(column, pa.string())) is is_plain


EMAILS = ("a@b.c", "A.b@C.d.e", "@b.c", "a@b", "a@.c", "a@b.", "a@b..", "a@@b.c", "a@b@c.d", "ab.c",
          "a.b@c", "", None, "@", ".", "a@b.c@", "x")  # fmt: skip


@settings(max_examples=300)
@given(st.lists(st.one_of(st.sampled_from(EMAILS), st.text("aB@.", max_size=6)), max_size=9))
def test_addresses_at_once_are_those_of_the_pattern(column):
    found = texts.addresses(pa.array(["x@y.z", *column], pa.string()).slice(1))
    folded = [(text or "").lower() for text in column]
    assert found.to_pylist() == [
        text if re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", text) else None for text in folded
    ]


@pytest.mark.parametrize("text", ["é@b.c", "a @b.c", "a@b.c\n"])
def test_addresses_that_are_not_plain_are_left_to_sql(text):
    assert texts.addresses(pa.array(["a@b.c", text])) is None


def test_the_hash_of_a_row_tells_marks_from_separators(tmp_path):
    """Cells that hold the separator itself: equal when joined, yet not the same rows."""
    mark = MARK
    lake = Lake(tmp_path)
    lake.declare(columns={**RESPONSES["columns"], "touchpoint": "where"})
    header = "id,nps,date,text,where\n"
    lake.deliver(f"{header}1,9,2025-01-02,,a{mark}\n1,9,2025-01-02,{mark},a\n", "a.csv")
    lake.ingest()
    assert len({row["_row_hash"] for row in lake.raw()}) == 2


def test_a_cell_hashes_the_same_with_and_without_marks_elsewhere(tmp_path):
    lake = Lake(tmp_path)
    lake.deliver(HEADER + b"1,9,2025-01-02,fine\n", "a.csv")
    lake.deliver(HEADER + b"1,9,2025-01-02,fine\n2,9,2025-01-02,x\x1f\n", "b.csv")
    lake.ingest()
    hashes = [row["_row_hash"] for row in lake.raw() if row["response_id"] == "1"]
    assert len(hashes) == 2
    assert len(set(hashes)) == 1
