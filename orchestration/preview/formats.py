"""Which formats of dates and times fit delivered texts: all of them, or the format is no use."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import product

import duckdb
import pyarrow as pa

from orchestration.lake.times import time_read

_DAYS = (
    "%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d",
    "%d/%m/%y", "%m/%d/%y", "%d.%m.%y", "%d-%m-%y", "%m-%d-%y", "%Y%m%d",
    "%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%b %d, %Y", "%b %d %Y",
    "%d %B %Y", "%d. %B %Y", "%B %d, %Y", "%A, %B %d, %Y", "%A, %d %B %Y",
)  # fmt: skip
_CLOCKS = (
    "", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", ", %H:%M", ", %H:%M:%S", "T%H:%M:%S", "T%H:%M",
    " %I:%M %p", " %I:%M:%S %p", ", %I:%M %p", ", %I:%M:%S %p", " at %I:%M %p",
    " %H:%M %z", " %H:%M:%S %z", " %I:%M:%S %p %z", " %I:%M %p %z",
)  # fmt: skip
# In the order in which they are preferred where several read all texts alike.
FORMATS = ("iso", *(day + clock for day, clock in product(_DAYS, _CLOCKS)))
NUMBERS = ("epoch_s", "epoch_ms", "excel")
# What is read as a time outside these years is a number, or a year cut to two digits.
_EARLIEST, _EARLIEST_NUMBER, _LATEST = "1950-01-01", "1995-01-01", "2100-01-01"
_FIRST_LOOK = 20
# What the parts of a pattern look like. Whether a text is a time, the lake's own SQL decides: this
# only spares it the many patterns of another shape.
_SHAPES = {
    "Y": r"\d{4}", "y": r"\d{2}", "f": r"\d{1,9}", "p": r"[ap]\.?m\.?",
    **dict.fromkeys("dmHIMS", r"\d{1,2}"),
    "b": r"[^\W\d_]+\.?", "B": r"[^\W\d_]+\.?", "A": r"[^\W\d_]+", "z": r"[A-Z]*[+-]?[\d:]*",
}  # fmt: skip


def _shape(pattern: str) -> re.Pattern[str] | None:
    """What texts of a pattern look like; None: the pattern is a name, and says nothing."""
    if "%" not in pattern:
        return None
    parts = re.split(r"%(.)", pattern)
    shapes = (_SHAPES[part] if at % 2 else re.escape(part) for at, part in enumerate(parts))
    return re.compile(rf"\s*{''.join(shapes)}\s*", re.IGNORECASE)


_SHAPE_OF = {pattern: _shape(pattern) for pattern in (*FORMATS, *NUMBERS)}


def fitting_formats(
    connection: duckdb.DuckDBPyConnection,
    texts: Sequence[str],
    *,
    numbers: bool = False,
    share: float = 1,
) -> list[str]:
    """The formats that read every one of some texts, one for each way of reading them.

    Args:
        connection: any.
        texts: distinct texts, none empty.
        numbers: whether seconds, milliseconds and Excel's days are looked for as well.
        share: which share of the texts has to be read; of several formats that read so many only
            those that read most are returned.

    Returns:
        None or one where there is no choice; of several each reads some text as another time.
    """
    if not texts:
        return []
    # the first few texts may hold more of the exceptions than all of them do
    head, least = texts[:_FIRST_LOOK], 1 if share == 1 else share - 0.2
    found: Sequence[str] = [
        pattern
        for pattern in (*FORMATS, *(NUMBERS if numbers else ()))
        if (shape := _SHAPE_OF[pattern]) is None
        or sum(shape.fullmatch(text) is not None for text in head) >= least * len(head)
    ]
    read: dict[str, tuple[int, str]] = {}
    for some in (head, texts) if len(texts) > _FIRST_LOOK else (texts,):
        read = {
            pattern: reading
            for pattern, reading in _readings(connection, some, found).items()
            if reading[0] >= (share if some is texts else least) * len(some)
        }
        found = list(read)
        if not found:
            return []
    most = max(count for count, _ in read.values())
    first: dict[str, str] = {}
    for pattern, (count, reading) in read.items():
        if count == most:
            first.setdefault(reading, pattern)
    return list(first.values())


def _readings(
    connection: duckdb.DuckDBPyConnection, texts: Sequence[str], patterns: Sequence[str]
) -> dict[str, tuple[int, str]]:
    """Of each format how many of the texts it reads, and a fingerprint of the times."""
    connection.execute("set TimeZone = 'UTC'")
    connection.register("some_texts", pa.table({"cell": pa.array(texts, pa.string())}))
    try:
        columns = []
        for each in patterns:
            time = time_read("cell", each)
            first = _EARLIEST_NUMBER if each in NUMBERS else _EARLIEST
            fits = f"coalesce({time} between timestamp '{first}' and timestamp '{_LATEST}', false)"
            columns.append(f"count(*) filter ({fits})")
            columns.append(f"md5(string_agg({time}::varchar, ' ' order by cell) filter ({fits}))")
        row = connection.execute(f"select {', '.join(columns)} from some_texts").fetchone() or ()
    finally:
        connection.unregister("some_texts")
    return {
        each: (row[2 * place], row[2 * place + 1])
        for place, each in enumerate(patterns)
        if row[2 * place]
    }
