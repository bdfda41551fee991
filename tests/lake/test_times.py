"""Times: only as declared, strictly, and every clock's time as the zone's rules have it."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime, timedelta

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ingest_support import MODIFIED, Lake

from orchestration.lake import times


def read(text: str | None, *formats: str, zone: str = "UTC", is_date: bool = False):
    """Canonical text and flag of one cell."""
    return read_all([text], *formats, zone=zone, is_date=is_date)[0]


def read_all(texts, *formats, zone="UTC", is_date=False):
    made = times.timed("at", "cell", formats or ("iso",), zone, is_date=is_date)
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        step = "select unnest($texts::varchar[]) as cell"
        for layer in made.layers:
            step = f"select *, {', '.join(layer)} from ({step})"
        return connection.execute(
            f"select {made.text}, {made.flag} from ({step})", {"texts": texts}
        ).fetchall()


def utc(text: str) -> str:
    return f"{text:0<26}Z" if "." in text else f"{text}.000000Z"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-02-29", "2024-02-29T00:00:00"),
        ("2024-02-29T13:05", "2024-02-29T13:05:00"),
        ("2024-02-29 13:05", "2024-02-29T13:05:00"),
        ("2024-02-29T13:05:07", "2024-02-29T13:05:07"),
        ("2024-02-29T13:05:07.5", "2024-02-29T13:05:07.5"),
        ("2024-02-29T13:05:07.123456789", "2024-02-29T13:05:07.123456"),
        ("2024-02-29T13:05Z", "2024-02-29T13:05:00"),
        ("2024-02-29T13:05:07Z", "2024-02-29T13:05:07"),
        ("2024-02-29T13:05:07+02:00", "2024-02-29T11:05:07"),
        ("2024-02-29T13:05:07+0530", "2024-02-29T07:35:07"),
        ("2024-02-29 13:05:07-03", "2024-02-29T16:05:07"),
        ("2024-02-29T13:05-03:30", "2024-02-29T16:35:00"),
        ("2024-03-01T00:30:00+01:00", "2024-02-29T23:30:00"),
        (" 2024-02-29 ", "2024-02-29T00:00:00"),
    ],
)
def test_61_iso(text: str, expected: str):
    assert read(text) == (utc(expected), None)


@pytest.mark.parametrize(
    "text",
    ["2023-02-29", "2024-02-30", "2024-13-01", "2024-1-5", "24-01-05", "05/01/2024", "01-05-2024",
     "20240105", "45296", "1704412800", "1704412800000", "2024", "2024-01", "2024-01-05T24:00:00",
     "2024-01-05T25:00", "2024-01-05T10:60", "2024-01-05T10:00:60", "2024-01-05T10", "2024-W01-1",
     "2024-01-05T10:00:00+25:00", "2024-01-05T10:00:00 Europe/Brussels", "2024-01-05 10:00 AM",
     "2024-01-05T10:00:00.", "2024-01-05x", "x2024-01-05", "٢٠٢٤-٠١-٠٥", "２０２４-01-05",
     "infinity", "-infinity", "epoch", "now", "today", "Jan 5 2024", "0000-01-01",
     "2024-01-05\n2024-01-05", "2024\u201101\u201105", " ", "NULL"],
)  # fmt: skip
def test_66_70_what_is_not_iso_stays_as_delivered(text: str):
    assert read(text) == (text, "at:bad_timestamp")


def test_nothing_is_no_mistake():
    assert read(None) == (None, None)


@pytest.mark.parametrize(
    ("text", "formats", "expected"),
    [
        ("05/01/2024", ("%d/%m/%Y",), "2024-01-05T00:00:00"),  # 65
        ("05/01/2024", ("%m/%d/%Y",), "2024-05-01T00:00:00"),
        ("13/01/2024", ("%m/%d/%Y",), None),
        ("13/01/2024", ("%m/%d/%Y", "%d/%m/%Y"), "2024-01-13T00:00:00"),
        ("05/01/2024", ("%m/%d/%Y", "%d/%m/%Y"), "2024-05-01T00:00:00"),  # the first that fits
        ("30/02/2024", ("%d/%m/%Y",), None),  # 70
        ("2024-01-05", ("%d/%m/%Y",), None),
        ("2024-01-05", ("%d/%m/%Y", "iso"), "2024-01-05T00:00:00"),
        ("5 Jan 2024 3:07 PM", ("%d %b %Y %I:%M %p",), "2024-01-05T15:07:00"),
        ("2024-01-05 10:00:00 +0200", ("%Y-%m-%d %H:%M:%S %z",), "2024-01-05T08:00:00"),
        ("2024-01-05T10:00:00+02:00", ("%Y-%m-%dT%H:%M:%S%z",), "2024-01-05T08:00:00"),
        ("2024-01-05T10:00:00Z", ("%Y-%m-%dT%H:%M:%S%z",), "2024-01-05T10:00:00"),
        ("2024-01-05 10:00:00 UTC", ("%Y-%m-%d %H:%M:%S %Z",), "2024-01-05T10:00:00"),
        ("2024/01/05 9:15:33 AM GMT+1", ("%Y/%m/%d %I:%M:%S %p %z",), "2024-01-05T08:15:33"),
        ("2024/01/05 9:15:33 AM GMT+1", ("%Y/%m/%d %I:%M:%S %p GMT%z",), "2024-01-05T08:15:33"),
        ("2024/01/05 9:15:33 AM GMT", ("%Y/%m/%d %I:%M:%S %p %z",), "2024-01-05T09:15:33"),
        ("2024/01/05 9:15:33 AM GMT", ("%Y/%m/%d %I:%M:%S %p GMT%z",), "2024-01-05T09:15:33"),
        ("2024-01-05 10:00 UTC-03:30", ("%Y-%m-%d %H:%M %z",), "2024-01-05T13:30:00"),
        ("2024-01-05 10:00 GMT+5:45", ("%Y-%m-%d %H:%M %z",), "2024-01-05T04:15:00"),
        ("2024-01-05 10:00 -5", ("%Y-%m-%d %H:%M %z",), "2024-01-05T15:00:00"),
        ("2024-01-05 10:00 UTC+10", ("%Y-%m-%d %H:%M UTC%z",), "2024-01-05T00:00:00"),
        ("2024-01-05 10:00 Z", ("%Y-%m-%d %H:%M %z",), "2024-01-05T10:00:00"),
        ("2024-01-05T10:00:00Z", ("%Y-%m-%dT%H:%M:%SZ",), "2024-01-05T10:00:00"),
        ("2024-01-05T10:00:00.250Z", ("%Y-%m-%dT%H:%M:%S.%fZ",), "2024-01-05T10:00:00.25"),
        ("27 févr. 2026", ("%d %b %Y",), "2026-02-27T00:00:00"),
        ("27 février 2026", ("%d %B %Y",), "2026-02-27T00:00:00"),
        ("5. März 2026", ("%d. %B %Y",), "2026-03-05T00:00:00"),
        ("5. MÄRZ 2026", ("%d. %B %Y",), "2026-03-05T00:00:00"),
        ("05-mrt-2026", ("%d-%b-%Y",), "2026-03-05T00:00:00"),
        ("5 de enero de 2026", ("%d de %B de %Y",), "2026-01-05T00:00:00"),
        ("1 août 2026 10:00", ("%d %B %Y %H:%M",), "2026-08-01T10:00:00"),
        ("Sept 5, 2026", ("%b %d, %Y",), "2026-09-05T00:00:00"),
        ("Sep. 5, 2026", ("%b. %d, %Y",), "2026-09-05T00:00:00"),
        ("5 out. 2026", ("%d %b %Y",), "2026-10-05T00:00:00"),
        ("5 Dez 2026 10:00 +01:00", ("%d %b %Y %H:%M %z",), "2026-12-05T09:00:00"),
        ("5 xyz 2026", ("%d %b %Y",), None),
        ("5 marzoo 2026", ("%d %B %Y",), None),
        ("46044", ("excel",), "2026-01-22T00:00:00"),
        ("46044.5", ("excel",), "2026-01-22T12:00:00"),
        ("46044.41666666666", ("excel",), "2026-01-22T10:00:00"),
        ("61", ("excel",), "1900-03-01T00:00:00"),
        ("60", ("excel",), None),  # the 29 February 1900 that there was not
        ("-46044", ("excel",), None),
        ("4.6e4", ("excel",), None),
        ("46044", ("iso",), None),  # 66
        ("46044", ("%d/%m/%Y", "excel"), "2026-01-22T00:00:00"),
        ("infinity", ("%Y-%m-%d",), None),
        ("epoch", ("%d/%m/%Y",), None),
        ("1704412800", ("epoch_s",), "2024-01-05T00:00:00"),  # 67
        ("1704412800.25", ("epoch_s",), "2024-01-05T00:00:00.25"),
        ("-1", ("epoch_s",), "1969-12-31T23:59:59"),
        ("1704412800250", ("epoch_ms",), "2024-01-05T00:00:00.25"),
        ("1704412800250", ("epoch_s",), None),
        ("1.7e9", ("epoch_s",), None),
        ("", ("epoch_s",), None),
        ("2024-01-05", ("epoch_s",), None),
        ("1704412800", ("iso", "epoch_s"), "2024-01-05T00:00:00"),
    ],
)
def test_declared_formats(text: str, formats: tuple[str, ...], expected: str | None):
    found = read(text, *formats)
    assert found == ((utc(expected), None) if expected else (text, "at:bad_timestamp"))


@pytest.mark.parametrize(
    ("text", "formats", "zone", "expected"),
    [
        ("2024-07-01T10:00:00", ("iso",), "Europe/Brussels", "2024-07-01T08:00:00"),  # 62
        ("2024-07-01T10:00:00Z", ("iso",), "Europe/Brussels", "2024-07-01T10:00:00"),
        ("2024-07-01T10:00:00+00:00", ("iso",), "Europe/Brussels", "2024-07-01T10:00:00"),
        ("2024-07-01", ("iso",), "Europe/Brussels", "2024-06-30T22:00:00"),
        ("2024-07-01T10:00:00Z", ("%Y-%m-%dT%H:%M:%SZ",), "Asia/Tokyo", "2024-07-01T10:00:00"),
        ("2024-07-01T10:00:00-0400", ("%Y-%m-%dT%H:%M:%S%z",), "Asia/Tokyo", "2024-07-01T14:00:00"),
        ("01.07.2024", ("%d.%m.%Y",), "America/New_York", "2024-07-01T04:00:00"),
        ("1719828000", ("epoch_s",), "Asia/Tokyo", "2024-07-01T10:00:00"),
        ("2024-07-01 10:00", ("%Y-%m-%d %H:%M", "epoch_s"), "Asia/Kolkata", "2024-07-01T04:30:00"),
        ("1950-07-01T10:00:00", ("iso",), "America/New_York", "1950-07-01T14:00:00"),
    ],
)
def test_zones(text, formats, zone, expected):
    assert read(text, *formats, zone=zone) == (utc(expected), None)


NONEXISTENT, AMBIGUOUS = "at:nonexistent_local_time", "at:ambiguous_local_time"


@pytest.mark.parametrize(
    ("text", "zone", "expected", "flag"),
    [
        # 63: the hour that is skipped in spring
        ("2024-03-31T01:59:59", "Europe/Brussels", "2024-03-31T00:59:59", None),
        ("2024-03-31T02:00:00", "Europe/Brussels", None, NONEXISTENT),
        ("2024-03-31T02:59:59.999999", "Europe/Brussels", None, NONEXISTENT),
        ("2024-03-31T03:00:00", "Europe/Brussels", "2024-03-31T01:00:00", None),
        # 64: the hour that comes twice in autumn, the earlier of the two
        ("2024-10-27T01:59:59", "Europe/Brussels", "2024-10-26T23:59:59", None),
        ("2024-10-27T02:00:00", "Europe/Brussels", "2024-10-27T00:00:00", AMBIGUOUS),
        ("2024-10-27T02:59:59", "Europe/Brussels", "2024-10-27T00:59:59", AMBIGUOUS),
        ("2024-10-27T03:00:00", "Europe/Brussels", "2024-10-27T02:00:00", None),
        # with an offset nothing is left to doubt
        ("2024-10-27T02:30:00+01:00", "Europe/Brussels", "2024-10-27T01:30:00", None),
        ("2024-10-27T02:30:00+02:00", "Europe/Brussels", "2024-10-27T00:30:00", None),
        # half an hour (Lord Howe), two hours (Troll), a whole day (Samoa)
        ("2024-04-07T01:45:00", "Australia/Lord_Howe", "2024-04-06T14:45:00", AMBIGUOUS),
        ("2024-10-06T02:15:00", "Australia/Lord_Howe", None, NONEXISTENT),
        ("2024-03-31T02:30:00", "Antarctica/Troll", None, NONEXISTENT),
        ("2024-10-27T01:30:00", "Antarctica/Troll", "2024-10-26T23:30:00", AMBIGUOUS),
        ("2011-12-30T12:00:00", "Pacific/Apia", None, NONEXISTENT),
        ("2011-12-29T23:59:59", "Pacific/Apia", "2011-12-30T09:59:59", None),
        # a day begins where it begins, though its midnight is skipped or comes twice
        ("2025-04-25", "Africa/Cairo", "2025-04-24T22:00:00", None),
        ("2025-04-25T00:30:00", "Africa/Cairo", None, NONEXISTENT),
        ("2024-11-03", "America/Havana", "2024-11-03T04:00:00", None),
        ("2024-11-03T00:00:00", "America/Havana", "2024-11-03T04:00:00", AMBIGUOUS),
        ("2011-12-30", "Pacific/Apia", None, NONEXISTENT),
    ],
)
def test_changes_of_the_clocks(text, zone, expected, flag):
    assert read(text, zone=zone) == (utc(expected) if expected else text, flag)


ZONES = ["Europe/Brussels", "America/New_York", "America/St_Johns", "Australia/Lord_Howe",
         "Asia/Kolkata", "Africa/Cairo", "Africa/Casablanca", "America/Santiago"]  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(ZONES),
    st.lists(
        st.datetimes(datetime(1990, 1, 1), datetime(2024, 12, 31)), min_size=100, max_size=100
    ),
    st.integers(1990, 2024),
)
def test_any_local_time_is_as_zoneinfo_has_it(name, times, year):
    """Compared with Python's own zones: random times, and all quarter hours near the changes."""
    zone = zoneinfo.ZoneInfo(name)
    days = [datetime(year, 1, 1) + timedelta(days=day) for day in range(366)]
    offsets = [day.replace(tzinfo=zone).utcoffset() for day in days]
    changes = [
        day for day, one, other in zip(days, offsets, offsets[1:], strict=False) if one != other
    ]
    times = times + [
        day + timedelta(minutes=15 * step) for day in changes for step in range(-4, 4 * 24 + 4)
    ]
    found = read_all([time.isoformat() for time in times], zone=name)
    for time, (text, flag) in zip(times, found, strict=True):
        candidates = {
            instant
            for fold in (0, 1)
            for instant in [time.replace(tzinfo=zone, fold=fold).astimezone(UTC)]
            if instant.astimezone(zone).replace(tzinfo=None) == time
        }
        if not candidates:
            assert (text, flag) == (time.isoformat(), NONEXISTENT)
        else:
            expected = min(candidates).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            assert (text, flag) == (expected, AMBIGUOUS if len(candidates) > 1 else None)


@pytest.mark.parametrize(
    ("text", "formats", "zone", "expected"),
    [
        ("2024-07-01", ("iso",), "Asia/Tokyo", "2024-07-01"),
        ("2024-07-01T23:30:00", ("iso",), "Asia/Tokyo", "2024-07-01"),
        ("2024-07-01T23:30:00Z", ("iso",), "Asia/Tokyo", "2024-07-02"),
        ("2024-07-01T23:30:00Z", ("iso",), "UTC", "2024-07-01"),
        ("01/07/2024", ("%d/%m/%Y",), "UTC", "2024-07-01"),
        ("1719791999", ("epoch_s",), "America/New_York", "2024-06-30"),
        ("01/07/2024", ("iso",), "UTC", None),
    ],
)
def test_days(text, formats, zone, expected):
    found = read(text, *formats, zone=zone, is_date=True)
    assert found == ((expected, None) if expected else (text, "at:bad_timestamp"))


# --- through a whole ingest -------------------------------------------------------------------


def customers(lake: Lake, **changes) -> Lake:
    entry = {
        "name": "crm",
        "entity": "customers",
        "files": "*",
        "columns": {"customer_id": "id", "signed_up_at": "since", "churned_at": "until"},
        "timezone": "Europe/Brussels",
        **changes,
    }
    lake.content["sources"] = [entry]
    return lake


def test_each_column_has_its_own_flag(lake: Lake):
    customers(lake, timestamps={"churned_at": ["%d/%m/%Y", "%d/%m/%Y %H:%M"]})
    lake.deliver(
        "id,since,until\n"
        "1,2024-01-05,31/01/2024\n"
        "2,soon,27/10/2024 02:30\n"
        "3,2024-03-31T02:30:00,2024-01-31\n"
        "4,,\n"
    )
    lake.ingest()
    got = [(row["signed_up_at"], row["churned_at"], row["_flags"]) for row in lake.raw("customers")]
    assert got == [
        ("2024-01-04T23:00:00.000000Z", "2024-01-30T23:00:00.000000Z", None),
        ("soon", "2024-10-27T00:30:00.000000Z",
         "signed_up_at:bad_timestamp churned_at:ambiguous_local_time"),
        ("2024-03-31T02:30:00", "2024-01-31",
         "signed_up_at:nonexistent_local_time churned_at:bad_timestamp"),
        (None, None, None),
    ]  # fmt: skip


def test_a_default_zone_is_said_and_a_declared_one_is_not(lake: Lake):
    customers(lake).declare(timezone=None)
    lake.content["timezone"] = "Asia/Tokyo"
    lake.deliver("id,since,until\n1,2024-01-05T10:00:00Z,2024-01-05\n")
    (warning,) = lake.ingest().warnings
    assert "(churned_at)" in warning
    assert "Asia/Tokyo" in warning
    assert lake.raw("customers")[0]["churned_at"] == "2024-01-04T15:00:00.000000Z"
    lake.declare(timezone="Asia/Tokyo")
    lake.deliver("id,since,until\n2,2024-01-05T10:00:00Z,2024-01-05\n")
    assert lake.ingest().warnings == []


def test_a_snapshot_is_as_old_as_its_file(lake: Lake):
    customers(lake).deliver("id,since,until\n1,,\n")
    lake.ingest()
    (row,) = lake.raw("customers")
    assert row["_snapshot_at"] == MODIFIED.replace(tzinfo=None)
    assert lake.files()[0]["file_modified_at"] == MODIFIED.replace(tzinfo=None)


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("customers_%Y%m%d.csv", "customers_20240701.csv", datetime(2024, 6, 30, 22)),
        ("customers_%Y%m%d.csv", "x/customers_20240701.csv", datetime(2024, 6, 30, 22)),
        ("c_%Y-%m-%dT%H%M%SZ.csv", "c_2024-07-01T101112Z.csv", datetime(2024, 7, 1, 10, 11, 12)),
        ("customers_%Y-%m.csv", "customers_2024-07.csv", datetime(2024, 6, 30, 22)),
        ("customers_%Y%m%d.csv", "customers_final.csv", None),
        ("customers_%Y%m%d.csv", "customers_20240230.csv", None),
        ("customers_%Y%m%d.csv", "customers_20240701.csv.csv", None),
    ],
)
def test_a_snapshot_is_named_by_its_file(lake: Lake, pattern, name, expected):
    customers(lake, files="**/*", snapshot_at=pattern).deliver("id,since,until\n1,,\n", name)
    result = lake.ingest()
    if expected is None:
        assert [problem.reason for problem in result.problems] == ["bad_snapshot_name"]
        assert [file["rows_rejected"] for file in lake.files()] == [1]
    else:
        assert [row["_snapshot_at"] for row in lake.raw("customers")] == [expected]


def test_a_snapshot_is_told_by_a_column(lake: Lake):
    customers(lake, snapshot_at="as of", timestamps={"snapshot_at": "%d/%m/%Y %H:%M"})
    lake.deliver(
        "id,since,until,As Of\n1,,,01/07/2024 12:00\n2,,,2024-07-01\n3,,,\n4,,,31/03/2024 02:30\n"
        "5,,,27/10/2024 02:30\n"
    )
    assert lake.ingest().problems == []
    assert [(row["_snapshot_at"], row["_flags"]) for row in lake.raw("customers")] == [
        (datetime(2024, 7, 1, 10), None),
        (None, "_snapshot_at:bad_timestamp"),
        (None, "_snapshot_at:bad_timestamp"),
        (None, "_snapshot_at:nonexistent_local_time"),
        (datetime(2024, 10, 27, 0, 30), "_snapshot_at:ambiguous_local_time"),
    ]
    assert lake.raw("customers")[0]["_extra"] is None


def test_a_day_of_usage_stays_a_day(lake: Lake):
    lake.content["sources"] = [{
        "name": "app", "entity": "product_usage", "files": "*", "timezone": "Asia/Tokyo",
        "columns": {"customer_id": "id", "used_on": "day", "quantity": "n"},
    }]  # fmt: skip
    lake.deliver("id,day,n\n1,2024-07-01,5\n1,2024-07-01T20:00:00Z,5\n1,1/7,5\n")
    lake.ingest()
    assert [(row["used_on"], row["_flags"]) for row in lake.raw("product_usage")] == [
        ("2024-07-01", None),
        ("2024-07-02", None),
        ("1/7", "used_on:bad_timestamp"),
    ]
