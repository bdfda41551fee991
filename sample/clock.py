"""Time in the sample: local seconds in, texts of every declared format out.

A *day* is a number of days since 1970-01-01; a *stamp* is a number of local seconds in Brussels
since 1970-01-01T00:00. Stamps of the sample avoid the hours in which the clocks change.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Europe/Brussels")
DAY = 86_400
_EPOCH = date(1970, 1, 1)


def day_of(text: str) -> int:
    """The day of an ISO date, ``2024-01-01``."""
    return (date.fromisoformat(text) - _EPOCH).days


def stamp_of(text: str) -> int:
    """The stamp of a local time, ``2024-01-01T09:30``."""
    return int((datetime.fromisoformat(text) - datetime(1970, 1, 1)).total_seconds())


QUARTERS = ("2024q1", "2024q2", "2024q3", "2024q4", "2025q1", "2025q2", "2025q3", "2025q4")
QUARTER_STARTS = tuple(day_of(f"{q[:4]}-{3 * int(q[-1]) - 2:02d}-01") for q in QUARTERS)
QUARTER_ENDS = (*QUARTER_STARTS[1:], day_of("2026-01-01"))  # exclusive
SNAPSHOTS = (
    *("20240101", "20240401", "20240701", "20241001"),
    *("20250101", "20250401", "20250701", "20251001", "20251231"),
)
SNAPSHOT_DAYS = tuple(day_of(f"{s[:4]}-{s[4:6]}-{s[6:]}") for s in SNAPSHOTS)
AS_OF = day_of("2025-12-31")


@cache
def _offset(day: int) -> int:
    noon = datetime.combine(_EPOCH + timedelta(days=day), datetime.min.time(), ZONE)
    offset = noon.replace(hour=12).utcoffset()
    return int(offset.total_seconds()) if offset else 0


def epoch(stamp: int) -> int:
    """Seconds since 1970 in UTC."""
    return stamp - _offset(stamp // DAY)


@cache
def iso_day(day: int) -> str:
    """``2025-03-31``."""
    return (_EPOCH + timedelta(days=day)).isoformat()


@cache
def slashed_day(day: int) -> str:
    """``31/03/2025``."""
    text = iso_day(day)
    return f"{text[8:]}/{text[5:7]}/{text[:4]}"


@cache
def _clock(second: int) -> str:
    return f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"


def iso_utc(stamp: int) -> str:
    """``2025-03-31T07:30:00Z``."""
    return iso_of_epoch(epoch(stamp))


def iso_of_epoch(seconds: int) -> str:
    """``2025-03-31T07:30:00Z``, of seconds since 1970 in UTC."""
    day, second = divmod(seconds, DAY)
    return f"{iso_day(day)}T{_clock(second)}Z"


def iso_offset(stamp: int) -> str:
    """``2025-03-31T09:30:00+02:00``."""
    day, second = divmod(stamp, DAY)
    return f"{iso_day(day)}T{_clock(second)}+{_offset(day) // 3600:02d}:00"


def slashed(stamp: int) -> str:
    """``31/03/2025 09:30``, local; the seconds are lost."""
    day, second = divmod(stamp, DAY)
    return f"{slashed_day(day)} {_clock(second)[:5]}"


def month_days(first: int, last: int, day_of_month: int, every: int = 1) -> list[int]:
    """The days from ``first`` to ``last`` (inclusive) that are the given day of their month.

    Args:
        first: a day.
        last: a day.
        day_of_month: 1 to 28.
        every: of how many months one is taken; which one follows from the day of the month.
    """
    year, month = (int(part) for part in iso_day(first).split("-")[:2])
    number = 12 * year + month - 1
    if _month_day(number, day_of_month) < first:
        number += 1
    number += (day_of_month - number) % every
    days = []
    while (day := _month_day(number, day_of_month)) <= last:
        days.append(day)
        number += every
    return days


@cache
def _month_day(month_number: int, day_of_month: int) -> int:
    year, month = divmod(month_number, 12)
    return (date(year, month + 1, day_of_month) - _EPOCH).days
