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

from orchestration.lake.columns import count, find_columns, shown_names
from orchestration.lake.delimited import Shape, delimited_batches
from orchestration.lake.faults import FileFault
from orchestration.lake.limits import check_columns
from orchestration.lake.parquet import open_parquet
from orchestration.lake.rows import Reject, Rows, batch_reader
from orchestration.lake.scan import Scan
from orchestration.lake.workbook import open_workbook
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
        path: the delivered bytes (used for Parquet and workbooks).
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
        return open_parquet(path, found, form, wanted)
    if form.type == "xlsx":
        return open_workbook(path, found, form, wanted, reject)
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
        head = io.BytesIO(stream.read(_HEADER_LIMIT))
    consumed = 0

    def lines() -> Iterator[str]:
        nonlocal consumed
        for line in io.TextIOWrapper(head, "utf-8", "ignore", newline=""):
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
    for record in header.records:
        check_columns(record, form)
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
        form=form,
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
        form=form,
        reason="invalid_json",
    )
    rows.reader = batch_reader(
        delimited_batches(path, found.skip, shape, rows, reject), rows, names=("doc",)
    )
    return rows


def _open_document(path: Path, found: Scan, form: Format) -> Rows:
    _no_markup(path, found)
    if found.text_size > _MAX_DOCUMENT:
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
