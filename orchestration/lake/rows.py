"""An opened file: its columns, its batches and its counts."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import pyarrow as pa

SAMPLE = 1000


@dataclass
class Rows:
    """An opened file: its columns, its batches, and the counts, final once they are consumed.

    Attributes:
        names: the delivered columns' names; of JSON the declared paths.
        cells: for each of them the SQL expression of its text. Of a delimited text, of texts in
            Parquet and of JSON it is the batches' column itself, and empty cells are NULL.
        at: declared name -> index into ``names``.
        is_json: whether the file has documents: they are opened as one column ``doc``, from which
            ``read_cells`` makes ``c0``, ``c1``, … and ``extra``, the JSON of what is not mapped.
        sample: the first rows of the batches.
        reader: the batches, every one with ``_row_number`` (BIGINT) as its last column.
        delivered: rows that are not blank, rejected ones included.
        blank: rows that are blank.
        rejected: rows given to the callback.
    """

    names: tuple[str, ...] = ()
    cells: tuple[str, ...] = ()
    at: Mapping[str, int] = field(default_factory=dict)
    is_json: bool = False
    sample: pa.RecordBatch | None = None
    reader: pa.RecordBatchReader = field(init=False)
    delivered: int = 0
    blank: int = 0
    rejected: int = 0


Reject = Callable[[int, str, str], None]
"""Called with the row's number, the reason's code and the raw text."""


def batch_reader(
    batches: Iterator[pa.RecordBatch],
    rows: Rows,
    names: tuple[str, ...] | None = None,
    schema: pa.Schema | None = None,
) -> pa.RecordBatchReader:
    """The batches as a reader, the first of which is read at once: most faults are raised here."""
    if schema is None:
        columns = names or tuple(f"c{place}" for place in range(len(rows.names)))
        fields = [pa.field(name, pa.string()) for name in columns]
        schema = pa.schema([*fields, pa.field("_row_number", pa.int64())])
    first = [batch for batch in [next(batches, None)] if batch]
    rows.sample = first[0].rename_columns(schema.names).slice(0, SAMPLE) if first else None
    named = (each.rename_columns(schema.names) for each in itertools.chain(first, batches))
    return pa.RecordBatchReader.from_batches(schema, named)
