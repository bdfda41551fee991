"""Open a scanned file as Arrow batches: strictly, streaming, and never guessing.

``open_rows`` reads the UTF-8 text (or Parquet) as batches of text columns named ``c0``, ``c1``, …
with the row's place in the file (an empty cell is NULL), or as JSON documents in one column
``doc``. What cannot be a table raises ``FileFault``; a row that cannot be a row goes to a callback.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from orchestration.lake.columns import count, find_columns, shown_names
from orchestration.lake.delimited import Shape, delimited_batches
from orchestration.lake.rows import Reject, Rows, batch_reader
from orchestration.lake.scan import FileFault, Scan
from orchestration.workspace.model import Format

_HEADER_LIMIT = 8 << 20
# A JSON document is held in memory as a whole, some fifteen times over; JSON lines are streamed.
_MAX_DOCUMENT = 256 << 20
_DELIMITERS = {",": "','", ";": "';'", "\t": "a tab", "|": "'|'"}
_MARKUP = re.compile(r"<[!?a-zA-Z]")


def open_rows(
    path: Path, found: Scan, form: Format, wanted: tuple[str, ...], reject: Reject
) -> Rows:
    """Open a scanned file.

    Args:
        path: the delivered bytes (used for Parquet).
        found: what ``scan_file`` found.
        form: how the file is declared to be.
        wanted: the delivered columns that the mapping names.
        reject: called with every row that is none.

    Raises:
        FileFault: when the file is no table, or not the declared one.
    """
    if found.fault:
        raise found.fault
    if form.type == "parquet":
        return _open_parquet(path, form, wanted)
    if found.text is None:
        raise ValueError("a text without a fault has a place")
    if form.type == "jsonl":
        return _open_lines(found.text, found, form, reject)
    if form.type == "json":
        return _open_document(found.text, found, form)
    return _open_delimited(found.text, found, form, wanted, reject)


@dataclass(frozen=True)
class _Header:
    """The header's records, the bytes up to their end, and the blank lines before them."""

    records: tuple[tuple[str, ...], ...]
    length: int
    blank: int


def _read_header(path: Path, skip: int, form: Format, delimiter: str) -> _Header:
    """The first ``header_rows`` records that are not blank, as the csv module reads them."""
    with path.open("rb") as stream:
        stream.seek(skip)
        text = stream.read(_HEADER_LIMIT).decode("utf-8", "ignore")
    consumed = 0

    def lines() -> Iterator[str]:
        nonlocal consumed
        for line in io.StringIO(text, newline=""):
            consumed += len(line.encode("utf-8", "surrogatepass"))
            yield line

    csv.field_size_limit(_HEADER_LIMIT)
    records: list[tuple[str, ...]] = []
    blank = 0
    reader = csv.reader(
        lines(),
        delimiter=delimiter,
        quotechar=form.quote or '"',
        quoting=csv.QUOTE_NONE if form.quote is None else csv.QUOTE_MINIMAL,
    )
    try:
        for record in reader:
            if not any(cell.strip() for cell in record) and not records:
                blank += 1
            else:
                records.append(tuple(record))
            if len(records) == form.header_rows:
                break
    except csv.Error:
        records = []
    return _Header(tuple(records), consumed, blank)


def _not_the_table(
    path: Path, found: Scan, form: Format, wanted: tuple[str, ...], missing: list[str]
) -> NoReturn:
    """Raise the fault that explains why the header lacks mapped columns."""
    with path.open("rb") as stream:
        stream.seek(found.skip)
        start = stream.read(4096).decode("utf-8", "ignore").lstrip()
    if _MARKUP.match(start) or start[:1] in ("{", "["):
        what = "an HTML or XML page" if start[0] == "<" else "a JSON document"
        raise FileFault(
            "not_a_table", f"the file is {what}, probably an error of the export; export it again"
        )
    for delimiter, name in _DELIMITERS.items():
        if delimiter == form.delimiter:
            continue
        header = _read_header(path, found.skip, form, delimiter)
        names = header.records[form.header - 1] if len(header.records) >= form.header else ()
        if len(find_columns(wanted, names).missing) < len(missing):
            raise FileFault(
                "wrong_delimiter", f"the fields are separated by {name}; declare format.delimiter"
            )
    if found.quote_fault:
        raise found.quote_fault
    raise FileFault(
        "missing_column",
        f"{count(len(missing), 'column')} that the mapping names "
        f"{'is' if len(missing) == 1 else 'are'} not in the header: "
        f"{shown_names(missing)}; fix the mapping or the export",
    )


def _open_delimited(
    path: Path, found: Scan, form: Format, wanted: tuple[str, ...], reject: Reject
) -> Rows:
    header = _read_header(path, found.skip, form, form.delimiter)
    if len(header.records) < form.header_rows:
        if found.quote_fault:
            raise found.quote_fault
        raise FileFault(
            "header_only", f"the file ends within its {form.header_rows} header rows", 0
        )
    names = tuple(name.strip() for name in header.records[form.header - 1])
    columns = find_columns(wanted, names)
    if columns.missing:
        _not_the_table(path, found, form, wanted, columns.missing)
    if columns.duplicate:
        raise FileFault(
            "duplicate_header",
            f"the header names a column twice: {shown_names(columns.duplicate)}; "
            "rename one in the export",
        )
    if found.quote_fault:
        raise found.quote_fault
    cells = tuple(f"c{place}" for place in range(len(names)))
    rows = Rows(names=names, cells=cells, at=columns.at, blank=header.blank)
    first = header.blank + form.header_rows + 1
    shape = Shape(
        width=len(names),
        delimiter=form.delimiter,
        quote=form.quote,
        first=first,
        headers=header.records,
        field_limit=form.max_field_kb << 10,
    )
    rows.reader = batch_reader(
        delimited_batches(path, found.skip + header.length, shape, rows, reject), rows
    )
    return rows


def _open_lines(path: Path, found: Scan, form: Format, reject: Reject) -> Rows:
    if _no_markup(path, found).startswith("["):
        raise FileFault("not_a_table", "the file is one JSON array; declare format.type: json")
    rows = Rows(is_json=True)
    # A JSON text has no raw control character inside its strings: none of these lines is cut.
    shape = Shape(
        width=1,
        delimiter="\x01",
        quote=None,
        first=1,
        headers=(),
        field_limit=form.max_field_kb << 10,
        reason="invalid_json",
    )
    rows.reader = batch_reader(
        delimited_batches(path, found.skip, shape, rows, reject), rows, names=("doc",)
    )
    return rows


def _open_document(path: Path, found: Scan, form: Format) -> Rows:
    _no_markup(path, found)
    if found.size > _MAX_DOCUMENT:
        limit = f"{_MAX_DOCUMENT >> 20} MiB"
        raise FileFault("oversized_file", f"a JSON document may have {limit}; deliver JSON lines")
    with path.open("rb") as stream:
        stream.seek(found.skip)
        text = stream.read()
    offsets = np.array([0, len(text)], dtype=np.int64)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(text)]
    document = pa.Array.from_buffers(pa.large_string(), 1, buffers)
    batch = pa.record_batch([document, pa.array([1])], names=["doc", "_row_number"])
    rows = Rows(is_json=True)
    rows.reader = pa.RecordBatchReader.from_batches(batch.schema, [batch])
    return rows


def _no_markup(path: Path, found: Scan) -> str:
    """The beginning of the text, unless it is markup."""
    with path.open("rb") as stream:
        stream.seek(found.skip)
        start = stream.read(4096).decode("utf-8", "ignore").lstrip()
    if _MARKUP.match(start):
        raise FileFault(
            "not_a_table",
            "the file is an HTML or XML page, probably an error of the export; export it again",
        )
    return start


def _open_parquet(path: Path, form: Format, wanted: tuple[str, ...]) -> Rows:
    try:
        file = pq.ParquetFile(path)
        names, total = tuple(file.schema_arrow.names), file.metadata.num_rows
    except (pa.ArrowException, OSError, ValueError) as error:
        message = f"the file cannot be read as Parquet ({type(error).__name__}); export it again"
        raise FileFault("unreadable_parquet", message) from None
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
    cells = tuple(_text_of(place, column.type) for place, column in enumerate(file.schema_arrow))
    rows = Rows(names=names, cells=cells, at=columns.at)
    schema = pa.schema(
        [
            pa.field(f"c{place}", pa.string() if _is_text(column.type) else column.type)
            for place, column in enumerate(file.schema_arrow)
        ]
        + [pa.field("_row_number", pa.int64())]
    )

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            for batch in file.iter_batches(65536):
                numbers = np.arange(rows.delivered + 1, rows.delivered + len(batch) + 1)
                rows.delivered += len(batch)
                filled = [_filled(column) for column in batch.columns]
                yield pa.record_batch([*filled, pa.array(numbers)], schema=schema)
        except (pa.ArrowException, OSError) as error:
            message = f"the file is damaged ({type(error).__name__}); export it again"
            raise FileFault("unreadable_parquet", message, total) from None

    rows.reader = batch_reader(batches(), rows, schema=schema)
    return rows


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
