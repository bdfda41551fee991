"""Canonical times and plain e-mails of whole columns at once, for the usual shapes.

The mapping's SQL reads texts one by one in any declared format, which is slow. Most columns have
one shape throughout; these functions recognise it in the column's bytes and compute the same for a
fraction of the cost. They return None for a column of other shapes: the SQL then reads it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# The first and the last byte that each place of ``2025-06-01T12:30:59Z`` may hold. Years from 1000
# to 2999; month, day and hour are then checked as numbers.
_FIRST = np.frombuffer(b"1000-00-00T00:00:00Z", dtype=np.uint8)
_LAST = np.frombuffer(b"2999-19-39T29:59:59Z", dtype=np.uint8)
_DAY = 10
_SECOND = 20
_MONTH_DAYS = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] + [0] * 7)
# Reading distinct texts pays off where there are few, judging by the first rows.
_LOOK = 8192
_FEW = 4

Read = Callable[[pa.Array], tuple[pa.Array, pa.Array]]
"""The canonical texts of some texts, and what is wrong with each of them or NULL."""


def canonical_times(
    texts: pa.StringArray, *, is_iso: bool, zone: str, is_date: bool, read: Read
) -> tuple[pa.Array, pa.Array | None] | None:
    """Canonical texts of a time column, if most of its texts are of one simple shape or are few.

    Args:
        texts: the delivered texts, NULL where there is none and never empty.
        is_iso: whether ISO 8601 is the first format that is declared.
        zone: IANA name of what a time without an offset means.
        is_date: whether a day is wanted rather than an instant.
        read: reads texts by the mapping's SQL; called with distinct texts.

    Returns:
        The texts, and what is wrong with each; None instead of the latter if nothing is.
    """
    found = None
    if is_iso and is_date:
        found = _by_shape(texts, _DAY, "", read)
    elif is_iso:
        found = _by_shape(texts, _SECOND, ".000000Z", read)
        if found is None and zone == "UTC":
            found = _by_shape(texts, _DAY, "T00:00:00.000000Z", read)
    return _by_distinct(texts, read) if found is None else found


def _bytes_of(texts: pa.StringArray) -> tuple[np.ndarray, np.ndarray]:
    """A column's offsets, from 0, and the bytes they point into."""
    _, places, data = texts.buffers()
    offsets = np.frombuffer(places, dtype=np.int32, count=len(texts) + 1, offset=4 * texts.offset)
    size = int(offsets[-1] - offsets[0])
    if not size or data is None:
        return offsets - offsets[0], np.empty(0, dtype=np.uint8)
    start = int(offsets[0])
    return offsets - offsets[0], np.frombuffer(data, dtype=np.uint8, count=size, offset=start)


def _by_shape(
    texts: pa.StringArray, width: int, ending: str, read: Read
) -> tuple[pa.Array, pa.Array | None] | None:
    """Texts of a width get another ending after their day or second; the others are read."""
    offsets, data = _bytes_of(texts)
    lengths = np.diff(offsets)
    if ((lengths == width) | (lengths == 0)).all():
        cells = data.reshape(-1, width)
        if _is_time(cells).all():
            places = offsets // width * (_kept(width) + len(ending))
            return _with_ending(cells, ending, places, lengths > 0), None
    fits = lengths == width
    some = texts.filter(pa.array(fits))
    cells = _bytes_of(some)[1].reshape(-1, width)
    fits[np.flatnonzero(fits)[~_is_time(cells)]] = False
    others = texts.filter(pa.array(~fits))
    if len(others) * _FEW > len(texts):
        return None
    places = np.arange(fits.sum() + 1) * (_kept(width) + len(ending))
    simple = texts.filter(pa.array(fits))
    simple = _with_ending(_bytes_of(simple)[1].reshape(-1, width), ending, places, None)
    made, flags = _read_distinct(others, read)
    order = pa.array(np.where(fits, np.cumsum(fits) - 1, len(simple) + np.cumsum(~fits) - 1))
    if flags is not None:
        flags = pa.concat_arrays([pa.nulls(len(simple), pa.string()), flags]).take(order)
    return pa.concat_arrays([simple, made]).take(order), flags


def _kept(width: int) -> int:
    """How much of a text of this width stays before its ending."""
    return _DAY if width == _DAY else _SECOND - 1


def _with_ending(
    cells: np.ndarray, ending: str, places: np.ndarray, valid: np.ndarray | None
) -> pa.StringArray:
    kept = _kept(cells.shape[1])
    made = np.empty((len(cells), kept + len(ending)), dtype=np.uint8)
    made[:, :kept] = cells[:, :kept]
    made[:, kept:] = np.frombuffer(ending.encode(), dtype=np.uint8)
    bits = None if valid is None or valid.all() else pa.array(valid).buffers()[1]
    buffers = [bits, pa.py_buffer(places.astype(np.int32)), pa.py_buffer(made)]
    return pa.Array.from_buffers(pa.string(), len(places) - 1, buffers)


def _is_time(cells: np.ndarray) -> np.ndarray:
    """For each row of bytes whether it is a day, or a second in UTC, that there is."""
    width = cells.shape[1]
    fits = (cells >= _FIRST[:width]) & (cells <= _LAST[:width])
    if not fits.all():
        rows = np.flatnonzero(fits.all(axis=1))
        found = np.zeros(len(cells), dtype=bool)
        found[rows] = _is_time(cells[rows])
        return found

    def number(place: int) -> np.ndarray:
        return np.asarray((cells[:, place] - 48) * np.uint8(10) + (cells[:, place + 1] - 48))

    year, month, day = number(0).astype(np.int32) * 100 + number(2), number(5), number(8)
    is_leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    days = _MONTH_DAYS[month] + (is_leap & (month == 2))
    found = np.asarray((day > 0) & (day <= days))
    return found if width == _DAY else found & (number(11) < 24)


def _by_distinct(texts: pa.StringArray, read: Read) -> tuple[pa.Array, pa.Array | None] | None:
    """Each distinct text read once, where there are few."""
    look = texts.slice(0, _LOOK)
    if len(look) < _LOOK or len(look.unique()) > _LOOK // 2:
        return None
    return _read_distinct(texts, read)


def _read_distinct(texts: pa.StringArray, read: Read) -> tuple[pa.Array, pa.Array | None]:
    encoded = texts.dictionary_encode()
    made, flags = read(encoded.dictionary)
    flags = None if flags.null_count == len(flags) else flags.take(encoded.indices)
    return made.take(encoded.indices), flags


def is_plain(texts: pa.StringArray) -> bool:
    """Whether a column's texts are ASCII without any space or control character."""
    return _is_plain(_bytes_of(texts)[1])


def _is_plain(data: np.ndarray) -> bool:
    return not len(data) or bool(data.min() > 32 and data.max() < 127)


def holds(texts: pa.StringArray, signs: str) -> bool:
    """Whether any of a column's texts holds one of some characters."""
    data = _bytes_of(texts)[1].tobytes()
    return any(sign.encode() in data for sign in signs)


def addresses(texts: pa.StringArray) -> pa.Array | None:
    """E-mail addresses in small letters, NULL for other texts; None unless all texts are plain."""
    offsets, data = _bytes_of(texts)
    if not _is_plain(data):
        return None
    starts, ends = offsets[:-1], offsets[1:]
    signs, dots = np.flatnonzero(data == ord("@")), np.flatnonzero(data == ord("."))
    if not len(signs) or not len(dots):
        return pa.nulls(len(texts), pa.string())
    # the last dot before a text's last character, and the first sign from its beginning on
    last = np.searchsorted(dots, ends - 1) - 1
    dot, sign, is_one = dots[np.maximum(last, 0)], signs, np.True_
    if len(signs) != len(texts) or not ((signs >= starts) & (signs < ends)).all():
        first = np.searchsorted(signs, starts)
        sign = signs[np.minimum(first, len(signs) - 1)]
        is_one = np.searchsorted(signs, ends) - first == 1
    fits = is_one & (sign > starts) & (last >= 0) & (dot > sign + 1)
    if ((data >= ord("A")) & (data <= ord("Z"))).any():
        texts = pc.ascii_lower(texts)
    return texts if fits.all() else pc.if_else(pa.array(fits), texts, pa.scalar(None, pa.string()))
