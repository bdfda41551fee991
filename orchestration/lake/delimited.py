"""Stream the rows of a delimited text as Arrow batches.

Rows of a wrong width and repeated headers go to a callback; blank rows are counted.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from orchestration.lake.faults import FileFault
from orchestration.lake.limits import check_rows, oversized_field
from orchestration.lake.rows import Reject, Rows
from orchestration.workspace.model import Format

# A record must fit into a block of the CSV reader's. What is made of a small one stays in the
# processor's cache.
_MIN_BLOCK = 4 << 20


@dataclass(frozen=True)
class Shape:
    """What the body of a delimited text looks like; ``first`` is its first record's number."""

    width: int
    delimiter: str
    quote: str | None
    first: int
    headers: tuple[tuple[str, ...], ...]
    form: Format
    reason: str = "wrong_width"

    @property
    def field_limit(self) -> int:
        """The bytes that a field may have."""
        return self.form.max_field_kb << 10


class _Numbers:
    """Gives the rows of each batch their numbers in the file: those that no invalid row has."""

    def __init__(self) -> None:
        self._next = 1
        self._invalid: list[int] = []

    def skip(self, number: int) -> None:
        """Note the number of a row that is in no batch."""
        self._invalid.append(number)

    def take(self, count: int) -> np.ndarray:
        """The numbers of the next ``count`` rows, counted from 1."""
        upto = self._next + count + len(self._invalid)
        numbers = np.arange(self._next, upto)
        if self._invalid:
            numbers = numbers[~np.isin(numbers, np.array(self._invalid))]
        numbers = numbers[:count]
        if count:
            self._next = int(numbers[-1]) + 1
            self._invalid = [number for number in self._invalid if number >= self._next]
        return numbers


def delimited_batches(
    path: Path, start: int, shape: Shape, rows: Rows, reject: Reject
) -> Iterator[pa.RecordBatch]:
    """Batches of the body's rows without blank ones, repeated headers and other widths."""
    numbers = _Numbers()

    def invalid(row: pa.csv.InvalidRow) -> str:
        numbers.skip(row.number)
        if row.text.strip():
            rows.delivered += 1
            rows.rejected += 1
            reject(row.number + shape.first - 1, shape.reason, row.text)
        else:
            rows.blank += 1
        return "skip"

    # a block is allocated whole: a small file needs no more than its size
    size = path.stat().st_size - start
    block = min(max(_MIN_BLOCK, 4 * shape.field_limit), size + 1)
    names = [f"c{place}" for place in range(shape.width)]
    if not size:
        return
    with pa.OSFile(str(path)) as stream:
        stream.seek(start)
        try:
            table = pyarrow.csv.open_csv(
                stream,
                read_options=pyarrow.csv.ReadOptions(
                    use_threads=False, block_size=block, column_names=names
                ),
                parse_options=pyarrow.csv.ParseOptions(
                    delimiter=shape.delimiter,
                    quote_char=shape.quote if shape.quote is not None else False,
                    double_quote=True,
                    newlines_in_values=shape.quote is not None,
                    ignore_empty_lines=False,
                    invalid_row_handler=invalid,
                ),
                convert_options=pyarrow.csv.ConvertOptions(
                    check_utf8=False,  # the scan decoded it strictly
                    column_types={name: pa.string() for name in names},
                    strings_can_be_null=True,
                    null_values=[""],
                ),
            )
            for batch in table:
                kept = _checked(batch, numbers, shape, rows, reject)
                check_rows(rows.delivered, shape.form)
                yield kept
        except pa.ArrowInvalid as error:
            # Arrow's message may quote the row; the exception therefore goes no further.
            raise FileFault(
                "oversized_field",
                f"a row has more than {block >> 20} MiB; raise format.max_field_kb if it is real"
                if "straddl" in str(error)
                else "the rows cannot be read as declared; check format",
            ) from None


def _checked(
    batch: pa.RecordBatch, numbers: _Numbers, shape: Shape, rows: Rows, reject: Reject
) -> pa.RecordBatch:
    """The batch without blank rows and repeated headers, with the rows' numbers."""
    number = numbers.take(len(batch)) + (shape.first - 1)
    # most batches of small files are smaller than any field may be
    for column in batch.columns if batch.nbytes > shape.field_limit else ():
        longest = pc.max(pc.binary_length(column)).as_py() or 0
        if longest > shape.field_limit:
            raise oversized_field("a field", longest, shape.form.max_field_kb)
    drop: np.ndarray | None = None
    blank = _rows_equal(batch, ("",) * shape.width) if shape.width > 1 else _blank(batch.column(0))
    if len(blank):
        rows.blank += len(blank)
        drop = blank
    for header in shape.headers:
        repeated = _rows_equal(batch, header) if any(header) else np.array([], dtype=np.int64)
        for place in repeated:
            reject(int(number[place]), "repeated_header", _as_text(header, shape))
        if len(repeated):
            rows.rejected += len(repeated)
            rows.delivered += len(repeated)
            drop = repeated if drop is None else np.concatenate([drop, repeated])
    batch = pa.record_batch(
        [*batch.columns, pa.array(number)], names=[*batch.schema.names, "_row_number"]
    )
    if drop is not None:
        keep = np.ones(len(batch), dtype=bool)
        keep[drop] = False
        batch = batch.filter(pa.array(keep))
    rows.delivered += len(batch)
    return batch


def _rows_equal(batch: pa.RecordBatch, cells: tuple[str, ...]) -> np.ndarray:
    """The places of the rows that hold just these cells."""
    if len(cells) != batch.num_columns:
        return np.array([], dtype=np.int64)
    places = _true_places(_equal(batch.column(0), cells[0]))
    for column, cell in zip(batch.columns[1:], cells[1:], strict=True):
        if not len(places):
            break
        found = column.take(pa.array(places))
        places = places[_true_places(_equal(found, cell))]
    return places


def _equal(column: pa.Array, cell: str) -> pa.BooleanArray:
    """Where a column holds just this cell; an empty one is NULL there."""
    return pc.equal(column, cell).fill_null(False) if cell else column.is_null()


def _true_places(values: pa.BooleanArray) -> np.ndarray:
    return np.flatnonzero(np.asarray(values.to_numpy(zero_copy_only=False)))


def _blank(column: pa.Array) -> np.ndarray:
    """The places of the texts that are empty or spaces; only short ones are examined."""
    column = column.fill_null("")
    places = _true_places(pc.less(pc.binary_length(column), 64))
    trimmed = pc.utf8_trim_whitespace(column.take(pa.array(places)))
    return np.asarray(places[_true_places(pc.equal(trimmed, ""))])


def _as_text(cells: tuple[str, ...], shape: Shape) -> str:
    """The cells as one record, as they were delivered up to quoting."""
    if shape.quote is None:
        return shape.delimiter.join(cells)
    out = io.StringIO()
    csv.writer(out, delimiter=shape.delimiter, quotechar=shape.quote, lineterminator="").writerow(
        cells
    )
    return out.getvalue()
