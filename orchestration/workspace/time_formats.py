"""Pairs of declared time formats that read one text as two times."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import permutations
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

# Times of which every exchange of two parts is another time that there is.
_PROBES = tuple(
    datetime(*parts)
    for parts in (
        (2026, 1, 3, 4, 5, 6),
        (2026, 5, 3, 0, 5, 6),
        (2026, 10, 12, 13, 8, 7),
        (2010, 11, 12, 1, 2, 3),
    )
)
_EPOCH, _EXCEL_EPOCH = datetime(1970, 1, 1), datetime(1899, 12, 30)
_UNITS = {"epoch_s": timedelta(seconds=1), "epoch_ms": timedelta(milliseconds=1)}
_DIGITS = {"epoch_s": 11, "epoch_ms": 14}
# A reading as a time before this is none that anybody means: seconds read as milliseconds.
_EARLIEST = datetime(2000, 1, 1)


@lru_cache(maxsize=256)
def ambiguous_pair(formats: tuple[str, ...]) -> tuple[str, str, str] | None:
    """Two of some formats that read one text as different times, and such a text; None if none do.

    Each format writes some times, and the others read them, by DuckDB's own functions, as ingest
    does. The formats are valid ones.
    """
    # what costs a tenth of a second is not loaded where there is nothing to compare
    if len(formats) < 2:
        return None
    import duckdb

    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        for one, other in permutations(dict.fromkeys(formats), 2):
            for text in _written(connection, one):
                times = [_read(connection, text, each) for each in (one, other)]
                meant = [time for time in times if time is not None and time >= _EARLIEST]
                if len(meant) == 2 and meant[0] != meant[1]:
                    return one, other, text
    return None


def _written(connection: duckdb.DuckDBPyConnection, pattern: str) -> list[str]:
    """The probes as texts of a format."""
    if pattern in _UNITS:
        return [str((time - _EPOCH) // _UNITS[pattern]) for time in _PROBES]
    if pattern == "excel":
        return [str((time - _EXCEL_EPOCH) / timedelta(days=1)) for time in _PROBES] + [
            str((time - _EXCEL_EPOCH).days) for time in _PROBES
        ]
    if pattern == "iso":
        return [time.isoformat(sep=sep) for time in _PROBES for sep in "T "] + [
            time.date().isoformat() for time in _PROBES
        ]
    rows = connection.execute(
        "select strftime(unnest($1::timestamp[]), $2)", [list(_PROBES), pattern]
    ).fetchall()
    return [text for (text,) in rows]


def _read(connection: duckdb.DuckDBPyConnection, text: str, pattern: str) -> datetime | None:
    """A text read by a format: UTC, or what the clock on the wall showed."""
    if pattern in _UNITS:
        is_epoch = re.fullmatch(rf"[0-9]{{1,{_DIGITS[pattern]}}}", text)
        return _EPOCH + int(text) * _UNITS[pattern] if is_epoch else None
    if pattern == "excel":
        is_day = re.fullmatch(r"[0-9]{2,5}(\.[0-9]{1,17})?", text)
        return _EXCEL_EPOCH + timedelta(days=float(text)) if is_day else None
    if pattern == "iso":
        with suppress(ValueError):
            if re.match(r"\d{4}-\d{2}-\d{2}([T ]|$)", text):
                time = datetime.fromisoformat(text)
                return time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time
        return None
    ((micros,),) = connection.execute(
        "select epoch_us(try_strptime($1, $2))", [text, pattern]
    ).fetchall()
    return None if micros is None else _EPOCH + timedelta(microseconds=micros)
