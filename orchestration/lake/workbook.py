"""Open an Excel workbook (.xlsx) as Arrow batches of text: strictly, as a CSV file is read.

A cell is the value that Excel keeps, of a formula its last result: whole numbers without a
fraction, dates and times in ISO 8601, errors as ``#N/A``. Row numbers are the sheet's own.
"""

from __future__ import annotations

import csv
import io
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time
from functools import partial
from pathlib import Path
from typing import IO, Any
from xml.etree.ElementTree import ParseError, fromstring
from xml.sax.saxutils import quoteattr

import pyarrow as pa

from orchestration.lake.columns import count, find_columns, shown_names
from orchestration.lake.faults import FileFault
from orchestration.lake.limits import check_cells, check_columns, check_rows
from orchestration.lake.packed import check_unpacked
from orchestration.lake.rows import Reject, Rows, batch_reader
from orchestration.lake.scan import Scan
from orchestration.workspace.model import Format

_AT_ONCE = 8192
# How far down a header is looked for that is not where it is declared.
_LOOK = 50
# Excel keeps 15 digits: a whole number beyond them is none.
_WHOLE = 1e15
_ERRORS = (
    zipfile.BadZipFile, ParseError, KeyError, ValueError, TypeError, IndexError, AttributeError,
    EOFError, NotImplementedError,
)  # fmt: skip

Cells = tuple[str | None, ...]


def open_workbook(
    path: Path, found: Scan, form: Format, wanted: tuple[str, ...], reject: Reject
) -> Rows:
    """Open one sheet of a scanned workbook.

    Args:
        path: the delivered bytes.
        found: what ``scan_file`` found.
        form: the declaration.
        wanted: the delivered columns that the mapping names.
        reject: called with every row that is none.

    Raises:
        FileFault: when the file is no workbook, too large, or not the declared one.
    """
    lines = _lines(path, found, form)
    head = [next(lines, (0, ()))[1] for _ in range(form.header_rows)]
    header = _named(head[form.header - 1])
    if not any(head):
        raise FileFault("header_only", f"the sheet ends within its {form.header_rows} header rows")
    names = tuple((name or "").strip() for name in header)
    check_columns(names, form)
    columns = find_columns(wanted, names)
    if columns.missing:
        raise _not_the_table(columns.missing, wanted, lines, form)
    if columns.duplicate:
        raise FileFault(
            "duplicate_header",
            f"the header names a column twice: {shown_names(columns.duplicate)}; "
            "rename one in the workbook",
        )
    cells = tuple(f"c{place}" for place in range(len(names)))
    rows = Rows(names=names, cells=cells, at=columns.at)
    headers = {_named(line) for line in head if any(line)}
    rows.reader = batch_reader(_batches(lines, headers, rows, form, reject), rows)
    return rows


def _batches(
    lines: Iterator[tuple[int, Cells]],
    headers: set[Cells],
    rows: Rows,
    form: Format,
    reject: Reject,
) -> Iterator[pa.RecordBatch]:
    """Batches of the rows that are neither blank nor a header again nor wider than the header."""
    width = len(rows.names)
    names = [*(f"c{place}" for place in range(width)), "_row_number"]
    kinds = [*[pa.string()] * width, pa.int64()]
    kept: list[tuple[Any, ...]] = []

    def batch() -> pa.RecordBatch:
        columns = zip(*kept, strict=True) if kept else [()] * (width + 1)
        arrays = [pa.array(each, kind) for each, kind in zip(columns, kinds, strict=True)]
        first = kept[0][-1] if kept else 0
        for array in arrays[:-1]:
            check_cells(array, form, first)
        kept.clear()
        return pa.record_batch(arrays, names=names)

    for number, line in lines:
        if not any(cell and cell.strip() for cell in line):
            rows.blank += 1
            continue
        rows.delivered += 1
        check_rows(rows.delivered, form)
        named = _named(line)
        if len(named) > width or named in headers:
            rows.rejected += 1
            reason = "repeated_header" if named in headers else "wrong_width"
            reject(number, reason, _as_text(named))
            continue
        kept.append((*line[:width], *[None] * (width - len(line)), number))
        if len(kept) >= _AT_ONCE:
            yield batch()
    yield batch()


def _not_the_table(
    missing: list[str], wanted: tuple[str, ...], lines: Iterator[tuple[int, Cells]], form: Format
) -> FileFault:
    """The fault of a header without mapped columns; it says where a better one is."""
    fix = "fix the mapping, format.sheet or format.header"
    for number, line in lines:
        if number > form.header_rows + _LOOK:
            break
        names = tuple((cell or "").strip() for cell in line)
        if not find_columns(wanted, names).missing:
            fix = f"row {number} has them: declare format.header_rows and format.header {number}"
            break
    return FileFault(
        "missing_column",
        f"{count(len(missing), 'column')} that the mapping names "
        f"{'is' if len(missing) == 1 else 'are'} not in row {form.header}: "
        f"{shown_names(missing)}; {fix}",
    )


def _lines(path: Path, found: Scan, form: Format) -> Iterator[tuple[int, Cells]]:
    """The rows of the declared sheet as texts, with the sheet's numbers.

    Raises:
        FileFault: when the file is no workbook, unpacks beyond bounds, or lacks the sheet.
    """
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        check_unpacked(size, found.size, form)
        # a delivered file has any name in the archive: openpyxl looks at a path's ending
        with path.open("rb") as stream, tempfile.TemporaryFile() as plain:
            book = _opened(stream, plain)
            try:
                sheet = _sheet(book, form)
                # what a sheet says of its size may be wrong or missing
                sheet.reset_dimensions()
                for number, line in enumerate(sheet.iter_rows(values_only=True), start=1):
                    within = line if len(line) <= form.max_columns else _within(line, form)
                    yield number, tuple(map(_text, within))
            finally:
                book.close()
    except (*_ERRORS, InvalidFileException) as error:
        message = f"the file cannot be read as .xlsx ({type(error).__name__}); save it again"
        raise FileFault("unreadable_workbook", message) from None


def _opened(stream: IO[bytes], plain: IO[bytes]) -> Any:
    """A workbook opened for streaming; where its fonts or fills are odd, a copy without them.

    Args:
        stream: the workbook.
        plain: an empty temporary file.
    """
    from openpyxl import load_workbook

    # it tells of what it leaves out: pictures, styles, checks of what may be typed
    warnings.filterwarnings("ignore", category=UserWarning, module="openpyxl")
    load = partial(load_workbook, read_only=True, data_only=True, keep_links=False)
    try:
        return load(stream)
    except (TypeError, ValueError):
        _without_looks(stream, plain)
        return load(plain)


def _without_looks(stream: IO[bytes], plain: IO[bytes]) -> None:
    """Copy a workbook with nothing in its styles but how numbers are shown, which tells days apart.

    Many programs write fonts, fills and borders that openpyxl takes for errors.
    """
    with zipfile.ZipFile(stream) as old, zipfile.ZipFile(plain, "w") as new:
        for member in old.infolist():
            content = old.read(member)
            if member.filename == "xl/styles.xml":
                content = _plain_styles(content)
            new.writestr(member.filename, content)
    plain.seek(0)


def _plain_styles(content: bytes) -> bytes:
    root = fromstring(content)  # noqa: S314 - expat bounds what entities grow to
    names = {"x": root.tag.partition("}")[0].removeprefix("{")}
    formats = "".join(
        f"<numFmt numFmtId={quoteattr(each.get('numFmtId', ''))} "
        f"formatCode={quoteattr(each.get('formatCode', ''))}/>"
        for each in root.iterfind("x:numFmts/x:numFmt", names)
    )
    styles = "".join(
        f"<xf numFmtId={quoteattr(each.get('numFmtId', '0'))}/>"
        for each in root.iterfind("x:cellXfs/x:xf", names)
    )
    return (
        f"<styleSheet xmlns={quoteattr(names['x'])}><numFmts>{formats}</numFmts>"
        '<fonts><font/></fonts><fills><fill><patternFill patternType="none"/></fill></fills>'
        f"<borders><border/></borders><cellXfs>{styles}</cellXfs></styleSheet>"
    ).encode()


def _within(line: tuple[Any, ...], form: Format) -> tuple[Any, ...]:
    """A row without the empty cells at its end, if it is then within the limit of columns."""
    filled = max((place for place, cell in enumerate(line, start=1) if cell is not None), default=0)
    if filled > form.max_columns:
        raise FileFault(
            "oversized_file",
            f"a row has {filled:,} cells, more than format.max_columns {form.max_columns:,}; "
            "remove what stands beside the table, or raise the limit",
        )
    return line[:filled]


def _sheet(book: Any, form: Format) -> Any:
    """The declared sheet, or the only visible one."""
    sheets = {sheet.title: sheet for sheet in book.worksheets}
    if form.sheet is not None:
        if form.sheet in sheets:
            return sheets[form.sheet]
        message = f"the workbook has no sheet '{form.sheet}'; it has {shown_names(sheets)}"
        raise FileFault("not_a_table", message)
    visible = [sheet for sheet in sheets.values() if sheet.sheet_state == "visible"]
    if len(visible) != 1:
        message = (
            f"the workbook has {count(len(sheets), 'sheet')}: {shown_names(sheets)}; declare "
            "format.sheet"
        )
        raise FileFault("not_a_table", message)
    return visible[0]


def _named(line: Cells) -> Cells:
    """A row without the empty cells at its end."""
    width = max((place for place, cell in enumerate(line, start=1) if cell), default=0)
    return line[:width]


def _text(cell: Any) -> str | None:
    """The text of a cell's value; None of an empty one."""
    if cell is None or cell == "":
        return None
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < _WHOLE else repr(cell)
    if isinstance(cell, datetime):
        is_day = cell.time() == time()
        return cell.date().isoformat() if is_day else cell.isoformat()
    return cell.isoformat() if isinstance(cell, date | time) else str(cell)


def _as_text(cells: Cells) -> str:
    """The cells of a rejected row, as a record of a CSV file."""
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(cells)
    return out.getvalue()
