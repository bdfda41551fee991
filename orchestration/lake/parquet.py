"""Open a Parquet file as Arrow batches of texts and of what has a text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from orchestration.lake.columns import count, find_columns, shown_names
from orchestration.lake.faults import FileFault
from orchestration.lake.limits import check_cells, check_columns, check_rows
from orchestration.lake.rows import Rows, batch_reader
from orchestration.lake.scan import Scan
from orchestration.workspace.model import Format

_HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"


def open_parquet(path: Path, found: Scan, form: Format, wanted: tuple[str, ...]) -> Rows:
    """Open a scanned Parquet file.

    Args:
        path: the delivered bytes.
        found: what ``scan_file`` found.
        form: the declaration.
        wanted: the delivered columns that the mapping names.

    Raises:
        FileFault: when the file is damaged, too large, or not the declared one.
    """
    try:
        file = pq.ParquetFile(path)
        names, total = tuple(file.schema_arrow.names), file.metadata.num_rows
    except (pa.ArrowException, OSError, ValueError) as error:
        message = f"the file cannot be read as Parquet ({type(error).__name__}); export it again"
        raise FileFault("unreadable_parquet", message) from None
    check_columns(names, form)
    check_rows(total, form, found.size)
    # a column that the file has itself wins over its folder's
    folders = {name: value for name, value in partitions(found.name).items() if name not in names}
    names = (*names, *folders)
    columns = find_columns(wanted, names)
    if columns.missing:
        raise FileFault(
            "missing_column",
            f"{count(len(columns.missing), 'column')} that the mapping names not in the "
            f"file: {shown_names(columns.missing)}; fix the mapping or the export",
            total,
        )
    if columns.duplicate:
        shown = shown_names(columns.duplicate)
        raise FileFault("duplicate_header", f"a column appears twice: {shown}; rename one", total)
    fields = [
        *((column.name, column.type) for column in file.schema_arrow),
        *((name, pa.string()) for name in folders),
    ]
    cells = tuple(_text_of(place, kind) for place, (_, kind) in enumerate(fields))
    rows = Rows(names=names, cells=cells, at=columns.at)
    schema = pa.schema(
        [
            pa.field(f"c{place}", pa.string() if _is_text(kind) else kind)
            for place, (_, kind) in enumerate(fields)
        ]
        + [pa.field("_row_number", pa.int64())]
    )

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            for batch in file.iter_batches(65536):
                numbers = np.arange(rows.delivered + 1, rows.delivered + len(batch) + 1)
                for column in batch.columns:
                    check_cells(column, form, rows.delivered + 1)
                rows.delivered += len(batch)
                filled = [_filled(column) for column in batch.columns]
                filled += [
                    pa.repeat(pa.scalar(value, pa.string()), len(batch))
                    for value in folders.values()
                ]
                yield pa.record_batch([*filled, pa.array(numbers)], schema=schema)
        except (pa.ArrowException, OSError) as error:
            message = f"the file is damaged ({type(error).__name__}); export it again"
            raise FileFault("unreadable_parquet", message, total) from None

    rows.reader = batch_reader(batches(), rows, schema=schema)
    return rows


def partitions(name: str) -> dict[str, str | None]:
    """The columns that folders name, as ``country=BE/part-0.parquet``; values are percent-encoded.

    Hive's word for NULL is NULL.
    """
    found = {}
    for folder in name.split("/")[:-1]:
        key, equals, value = folder.partition("=")
        if key and equals:
            found[unquote(key)] = None if value == _HIVE_NULL else unquote(value) or None
    return found


def _text_of(place: int, kind: pa.DataType) -> str:
    """SQL of a Parquet column's text; of texts the column itself."""
    if _is_text(kind):
        return f"c{place}"
    return f"to_json(c{place})::varchar" if pa.types.is_nested(kind) else f"c{place}::varchar"


def _is_text(kind: pa.DataType) -> bool:
    """Whether a column holds texts, in whichever of Arrow's layouts."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return kind in (pa.string(), pa.large_string(), pa.string_view())


def _filled(column: pa.Array) -> pa.Array:
    """Texts, which must be UTF-8, with NULL for empty ones, as they are in delimited files."""
    is_text = _is_text(column.type)
    if is_text:
        column = column.cast(pa.string())
    if is_text or pa.types.is_nested(column.type):
        column.validate(full=True)
    if not is_text:
        return column
    empty = pc.equal(pc.binary_length(column), 0)
    return (
        pc.if_else(empty, pa.scalar(None, pa.string()), column) if pc.any(empty).as_py() else column
    )
