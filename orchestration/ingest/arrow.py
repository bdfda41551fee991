"""Arrow arrays from Python values.

``pa.array`` imports pandas to ask whether its argument is a Series, which costs a second or more
in every process; these few lines don't.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import numpy as np
import pyarrow as pa

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - Arrow's timestamps without a zone are naive


def whole(numbers: np.ndarray | Sequence[int]) -> pa.Array:
    """Whole numbers as BIGINT."""
    data = np.ascontiguousarray(numbers, dtype=np.int64)
    return pa.Array.from_buffers(pa.int64(), len(data), [None, pa.py_buffer(data)])


def flags(values: np.ndarray) -> pa.Array:
    """Truth values as BOOLEAN."""
    bits = np.packbits(values, bitorder="little")
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, pa.py_buffer(bits)])


def texts(values: Sequence[str | None]) -> pa.Array:
    """Texts, or NULL for None, as VARCHAR."""
    cells = [b"" if value is None else value.encode() for value in values]
    offsets = np.zeros(len(cells) + 1, dtype=np.int32)
    np.cumsum([len(cell) for cell in cells], out=offsets[1:])
    buffers = [_present(values), pa.py_buffer(offsets), pa.py_buffer(b"".join(cells))]
    return pa.Array.from_buffers(pa.string(), len(cells), buffers)


def table(schema: pa.Schema, columns: Mapping[str, Iterable[Any]]) -> pa.Table:
    """A table of Python values, None being NULL; texts, numbers, dates and naive timestamps."""
    return pa.Table.from_arrays(
        [_column(list(columns[each.name]), each.type) for each in schema], schema=schema
    )


def _column(values: list[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_string(kind):
        return texts(values)
    numbers = [0 if value is None else _number(value) for value in values]
    data = np.array(numbers, dtype=_NUMPY[str(kind)])
    return pa.Array.from_buffers(kind, len(data), [_present(values), pa.py_buffer(data)])


_NUMPY = {
    "int32": np.int32,
    "int64": np.int64,
    "double": np.float64,
    "date32[day]": np.int32,
    "timestamp[us]": np.int64,
}


def _number(value: Any) -> int | float:
    """The number that Arrow stores: days or microseconds since 1970 for times."""
    if isinstance(value, datetime):
        since = value - _EPOCH
        return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    if isinstance(value, date):
        return value.toordinal() - _EPOCH.toordinal()
    return value


def _present(values: Sequence[Any]) -> pa.Buffer | None:
    present = np.array([value is not None for value in values], dtype=bool)
    return None if present.all() else pa.py_buffer(np.packbits(present, bitorder="little"))
