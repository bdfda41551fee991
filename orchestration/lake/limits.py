"""The limits of a delivered file: rows, columns and the size of a field.

A limit is checked as early as it can be: before memory is taken, before rows are multiplied.
"""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from orchestration.lake.faults import FileFault
from orchestration.workspace.model import Format

_MAX_ROWS = 100_000_000
# No real table says ten rows in a byte; a file of so few rows does no harm.
_ROWS_OF_A_BYTE, _HARMLESS = 10, 1_000_000
_NUL = "\0"
_SIZED = (pa.string(), pa.large_string(), pa.binary(), pa.large_binary())


def check_columns(names: Iterable[str], form: Format) -> None:
    """Check the number of columns and the size of their names.

    Raises:
        FileFault: when there are too many, or a name is too long.
    """
    names = tuple(names)
    if len(names) > form.max_columns:
        raise FileFault(
            "oversized_file",
            f"the file has {len(names):,} columns, more than format.max_columns "
            f"{form.max_columns:,}; deliver those that are mapped, or raise the limit",
        )
    longest = max((len(name.encode("utf-8", "surrogatepass")) for name in names), default=0)
    if longest > form.max_field_kb << 10:
        raise oversized_field("a name in the header", longest, form.max_field_kb)


def check_rows(rows: int, form: Format, size: int | None = None) -> None:
    """Check the number of rows.

    Args:
        rows: as far as they are known.
        form: the declaration.
        size: of the file in bytes, if the rows are not themselves its bytes.

    Raises:
        FileFault: when there are too many.
    """
    limit = form.max_rows or _MAX_ROWS
    if rows > limit:
        raise FileFault(
            "oversized_file",
            f"the file has more than {limit:,} rows; split it, or raise format.max_rows",
        )
    is_dense = size is not None and rows > max(_HARMLESS, _ROWS_OF_A_BYTE * size)
    if is_dense and form.max_rows is None:
        raise FileFault(
            "oversized_file",
            f"the file has {rows:,} rows in {(size or 0) >> 10:,} KiB, which no real table has; "
            "declare format.max_rows if it is one",
        )


def oversized_field(what: str, size: int, limit_kb: int) -> FileFault:
    """The fault of a field that is too long."""
    return FileFault(
        "oversized_field",
        f"{what} has {size >> 10:,} KiB, more than format.max_field_kb {limit_kb:,}; raise it if "
        "such fields are real",
    )


def check_cells(column: pa.Array, form: Format, first: int) -> None:
    """Check the cells of a column that was not delivered as text: their size, and NUL in them.

    Args:
        column: texts, bytes, or lists and structs of them; other types are of a fixed size.
        form: the declaration.
        first: the number of the first row, for the message.

    Raises:
        FileFault: when a cell is too long, or a text holds a NUL character.
    """
    limit = form.max_field_kb << 10
    if pa.types.is_dictionary(column.type):
        column = column.dictionary
    if column.type == pa.string_view():
        column = column.cast(pa.large_string())
    if column.nbytes > limit and (size := _oversized(column, limit)):
        raise oversized_field("a field", size, form.max_field_kb)
    for texts in _texts_of(column):
        if pc.any(pc.match_substring(texts, _NUL)).as_py():
            message = f"a NUL character in row {first:,} or soon after: the export is damaged"
            raise FileFault("nul_byte", message)


def _oversized(column: pa.Array, limit: int) -> int:
    """The size of a cell that is longer than the limit, or 0; halves the column until it is one."""
    if column.type in _SIZED:
        longest = pc.max(pc.binary_length(column)).as_py() or 0
        return longest if longest > limit else 0
    if not pa.types.is_nested(column.type) or column.nbytes <= limit:
        return 0
    if len(column) == 1:
        return int(column.nbytes)
    half = len(column) // 2
    return _oversized(column[:half], limit) or _oversized(column[half:], limit)


def _texts_of(column: pa.Array) -> Iterable[pa.Array]:
    """The texts of a column, also those inside lists and structs."""
    kind = column.type
    if kind in (pa.string(), pa.large_string()):
        yield column
    elif pa.types.is_struct(kind):
        for child in column.flatten():
            yield from _texts_of(child)
    elif pa.types.is_map(kind):
        yield from _texts_of(column.keys)
        yield from _texts_of(column.items)
    elif _is_list(kind):
        yield from _texts_of(column.flatten())


def _is_list(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )
