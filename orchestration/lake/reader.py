"""From delivered bytes to Arrow batches: strictly, streaming, and never guessing.

``scan`` reads the bytes once: it hashes, decodes and checks them, and copies them into the archive
on the way. ``open_rows`` then reads the UTF-8 text (or Parquet) as batches of text columns named
``c0``, ``c1``, … with the row's place in the file (an empty cell is NULL), or as JSON documents in
one column ``doc``.
What cannot be a table at all raises ``FileFault``; a row that cannot be a row goes to a callback.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from orchestration.lake import projection
from orchestration.workspace.model import Format

CHUNK = 8 << 20
# A record must fit into a block of the CSV reader's.
_MIN_BLOCK = 16 << 20
_HEADER_LIMIT = 8 << 20
_SAMPLE = 1000
# A JSON document is held in memory as a whole, some fifteen times over; JSON lines are streamed.
_MAX_DOCUMENT = 256 << 20

_COMPRESSED = {
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"PK\x05\x06": "an empty zip archive",
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\x28\xb5\x2f\xfd": "zstandard",
    b"\xfd7zXZ\x00": "xz",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!": "a rar archive",
}
_NOT_TEXT = {
    b"PAR1": "a Parquet file",
    b"%PDF": "a PDF document",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"SQLite format 3": "a SQLite database",
}
# UTF-32 first: its little-endian mark begins with that of UTF-16.
_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_NEEDS_BOM = {"utf-16", "utf-32"}
_UTF8 = {"utf-8", "utf-8-sig", "ascii"}
_DELIMITERS = {",": "','", ";": "';'", "\t": "a tab", "|": "'|'"}
_MARKUP = re.compile(r"<[!?a-zA-Z]")


class FileFault(Exception):
    """Why a whole file is quarantined.

    Attributes:
        reason: one of the file reasons' codes.
        message: what is wrong and how to mend it; never any cell's text.
        rows: rows delivered; None: to be counted by the lines.
    """

    def __init__(self, reason: str, message: str, rows: int | None = None):
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message
        self.rows = rows


@dataclass
class Scan:
    """What one pass over the bytes found.

    Attributes:
        sha256: of the delivered bytes, in hex.
        size: of the delivered bytes.
        lines: lines of the text; 0 for Parquet.
        skip: bytes of a byte order mark before the text in ``text``.
        has_marks: whether the text may hold the character that separates cells while hashing.
        text: where the UTF-8 text lies; None for Parquet or where a fault was found.
        fault: what the bytes alone show to be wrong.
        quote_fault: a quotation mark out of place; decided after the header has been read.
    """

    sha256: str = ""
    size: int = 0
    lines: int = 0
    skip: int = 0
    has_marks: bool = True
    text: Path | None = None
    fault: FileFault | None = None
    quote_fault: FileFault | None = None


@dataclass
class Rows:
    """An opened file: its columns, its batches, and the counts, final once they are consumed.

    Attributes:
        names: the delivered columns' names; empty for JSON.
        cells: for each of them the SQL expression of its text; empty for JSON. Of a delimited
            text, and of texts in Parquet, it is the batches' column itself, and empty cells are
            NULL.
        at: declared name -> index into ``names``; empty for JSON.
        is_json: whether the relation has one column ``doc`` rather than ``c0``, ``c1``, …
        sample: the first rows of the batches.
        reader: the batches, every one with ``_row_number`` (BIGINT) as its last column.
        delivered: rows that are not blank, rejected ones included.
        blank: rows that are blank.
        rejected: rows given to the callback.
        fault: what the reading found; to be asked for when consuming the batches failed.
    """

    names: tuple[str, ...] = ()
    cells: tuple[str, ...] = ()
    at: Mapping[str, int] = field(default_factory=dict)
    is_json: bool = False
    sample: pa.RecordBatch | None = None
    reader: pa.RecordBatchReader | None = None
    delivered: int = 0
    blank: int = 0
    rejected: int = 0
    fault: FileFault | None = None


Reject = Callable[[int, str, str], None]
"""Called with the row's number, the reason's code and the raw text."""


# --- one pass over the bytes ------------------------------------------------------------------


class _Lines:
    """Counts lines of UTF-8 bytes; LF, CR LF and a lone CR each end one."""

    def __init__(self) -> None:
        self.ended = 0
        self._last = b""

    def feed(self, data: bytes) -> None:
        if data:
            self.ended = self.after(data) - 1
            self._last = data[-1:]

    def after(self, data: bytes) -> int:
        """The number of the line that begins, or goes on, after these bytes."""
        return self.ended + lines_ended(data) - (self._last + data[:1] == b"\r\n") + 1

    @property
    def total(self) -> int:
        return self.ended + (self._last not in (b"", b"\n", b"\r"))


def lines_ended(data: bytes) -> int:
    """Number of line ends in the bytes."""
    # numpy counts a byte ten times as fast as bytes.count does
    feeds = int(np.count_nonzero(np.frombuffer(data, dtype=np.uint8) == ord("\n")))
    returns = data.count(b"\r") if b"\r" in data else 0
    return feeds + (returns - data.count(b"\r\n") if returns else 0)


class _Quotes:
    """Finds the first quotation mark out of place, with the CSV reader's own idea of quoting.

    A quotation mark opens a field only where a field begins; anywhere else in an unquoted field
    it is text. Inside a quoted field two of them are one, and a single one must be followed by
    the delimiter or a line end: otherwise an earlier one was never closed (RFC 4180, 2.5-2.7).
    """

    def __init__(self, delimiter: str, quote: str) -> None:
        self._quote = ord(quote)
        self._edge = np.zeros(256, dtype=bool)
        self._edge[[ord(delimiter), 10, 13]] = True
        self._held = b"\n"  # the beginning of the file begins a field
        self._inside = False
        self._just_closed = False
        self._lines = _Lines()
        self._opened_line = 0
        self.fault_line: int | None = None

    def feed(self, data: bytes) -> None:
        if self.fault_line is None and data:
            data = self._held + data
            self._check(data)
            self._lines.feed(data[1 : 1 + max(0, len(data) - 2)])
            self._held = data[-2:]

    def close(self) -> None:
        """Look at the last byte, and whether the end lies inside a quoted field."""
        self.feed(b"\n")
        if self.fault_line is None and self._inside:
            self.fault_line = self._opened_line or 1

    def _check(self, data: bytes) -> None:
        """Look at all but the first and the last byte: each needs its neighbours."""
        text = np.frombuffer(data, dtype=np.uint8)
        places = np.flatnonzero(text[1:-1] == self._quote) + 1
        if not len(places):
            return
        before, after = text[places - 1], text[places + 1]
        begins = self._edge[before] | (before == self._quote)
        begins[0] &= self._edge[before[0]] | self._just_closed
        ends = self._edge[after] | (after == self._quote)
        opening = (np.arange(len(places)) + self._inside) % 2 == 0
        if np.where(opening, begins, ends).all():
            self._inside ^= bool(len(places) % 2)
            self._just_closed = not self._inside
            if self._inside:
                self._opened_line = self._line(data, int(places[-1]))
        else:
            self._walk(data, places, before, self._edge[before], ends)

    def _walk(
        self,
        data: bytes,
        places: np.ndarray,
        before: np.ndarray,
        begins: np.ndarray,
        ends: np.ndarray,
    ) -> None:
        """The same one by one, for texts that have quotation marks inside unquoted fields."""
        rows = zip(places, before == self._quote, begins, ends, strict=True)
        opened = None
        for place, after_quote, is_begin, is_end in rows:
            if not self._inside:
                self._inside = bool(is_begin or (after_quote and self._just_closed))
                self._just_closed = False
                opened = int(place) if self._inside and is_begin else opened
            elif is_end:
                self._inside, self._just_closed = False, True
            else:
                line = None if opened is None else self._line(data, opened)
                self.fault_line = line or self._opened_line or self._line(data, int(place))
                return
        if self._inside and opened is not None:
            self._opened_line = self._line(data, opened)

    def _line(self, data: bytes, place: int) -> int:
        return self._lines.after(data[1:place])


def _sniff(head: bytes, form: Format) -> tuple[FileFault | None, str, int]:
    """The fault that the first bytes show, or the encoding and the length of its mark."""
    for magic, what in _COMPRESSED.items():
        if head.startswith(magic):
            message = f"the file is {what}; deliver it unpacked, as {form.type}"
            return FileFault("compressed_file", message), "", 0
    if form.type == "parquet":
        return None, "", 0
    for magic, what in _NOT_TEXT.items():
        if head.startswith(magic):
            message = f"the file is {what}, not {form.type}; declare format.type or export it anew"
            return FileFault("not_a_table", message), "", 0
    for mark, encoding in _BOMS:
        if head.startswith(mark):
            return None, encoding, len(mark)
    encoding = codecs.lookup(form.encoding).name
    if encoding in _NEEDS_BOM or (not encoding.startswith("utf-16") and _looks_utf16(head)):
        message = (
            "the file is UTF-16 without a byte order mark; declare format.encoding utf-16-le "
            "or utf-16-be"
        )
        return FileFault("utf16_without_bom", message), "", 0
    return None, encoding, 0


def _looks_utf16(head: bytes) -> bool:
    """Whether a good part of the bytes at one parity, and hardly any at the other, are NUL."""
    even, odd = head[0::2].count(0), head[1::2].count(0)
    return len(head) >= 4 and max(even, odd) > 0.2 * (len(head) / 2) and min(even, odd) <= 1


def hash_file(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def scan(path: Path, form: Format, *, archive: Path | None = None, scratch: Path) -> Scan:
    """Read the bytes once: hash, archive, decode strictly, look for what cannot be read.

    Args:
        path: the delivered file.
        form: how it is declared to be.
        archive: where to copy the bytes, or None.
        scratch: where to write the text as UTF-8 if it is something else.

    Raises:
        OSError: when reading or writing fails.
    """
    copy = archive.open("wb") if archive else io.BytesIO()
    with path.open("rb") as stream, copy as out:
        return _scan(stream, out if archive else None, archive or path, form, scratch)


def _scan(stream: BinaryIO, copy: BinaryIO | None, kept: Path, form: Format, scratch: Path) -> Scan:
    found, digest = Scan(), hashlib.sha256()
    head = stream.read(CHUNK)
    found.fault, encoding, found.skip = _sniff(head[:65536], form)
    text = None
    if not head:
        found.fault = FileFault("empty_file", "the file is empty; deliver it again")
    elif not found.fault and form.type != "parquet":
        text = _Text(form, encoding, found.skip, scratch)
    chunk = head
    while chunk:
        digest.update(chunk)
        found.size += len(chunk)
        if copy:
            copy.write(chunk)
        if text:
            text.feed(chunk)
        chunk = stream.read(CHUNK)
    found.sha256 = digest.hexdigest()
    if text:
        text.close()
        found.fault, found.quote_fault, found.lines = text.fault, text.quote_fault, text.lines.total
        found.text = None if found.fault else (kept if text.out is None else scratch)
        found.skip = found.skip if text.out is None else 0
        found.has_marks = text.has_marks
    return found


class _Text:
    """The text side of a scan: strict decoding, NUL, lines, quotation marks, blankness."""

    def __init__(self, form: Format, encoding: str, skip: int, scratch: Path) -> None:
        self._declared = encoding
        self._decoder = codecs.getincrementaldecoder(encoding)("strict")
        self._skip = skip
        self._is_blank = True
        quoted = form.is_delimited and form.quote is not None
        self._quotes = _Quotes(form.delimiter, form.quote or "") if quoted else None
        self.out = None if encoding in _UTF8 else scratch.open("wb")
        self.lines = _Lines()
        self.has_marks = False
        self.fault: FileFault | None = None
        self.quote_fault: FileFault | None = None

    def feed(self, chunk: bytes, *, final: bool = False) -> None:
        chunk, self._skip = chunk[self._skip :], 0
        if self.fault:
            # The reason stands; lines are still counted where the bytes are read as they are.
            if self.out is None:
                self.lines.feed(chunk)
            return
        try:
            text = self._decoder.decode(chunk, final)
        except UnicodeDecodeError as error:
            before = error.object[: error.start]
            line = self.lines.after(before) if self.out is None else None
            where = f" (line {line})" if line else ""
            message = f"the bytes are not {self._declared}{where}; declare format.encoding"
            self.fault = FileFault("encoding_mismatch", message)
            self.lines.feed(chunk)
            return
        data = chunk if self.out is None else text.encode("utf-8", "surrogatepass")
        nul = data.find(b"\0")
        if nul >= 0:
            line = self.lines.after(data[:nul])
            message = f"a NUL byte in line {line}: the file is damaged or not text"
            self.fault = FileFault("nul_byte", message)
        self.lines.feed(data)
        self.has_marks = self.has_marks or projection.MARK.encode() in data
        self._is_blank = self._is_blank and not data.strip()
        if self.out:
            self.out.write(data)
        if self._quotes:
            self._quotes.feed(data)

    def close(self) -> None:
        self.feed(b"", final=True)
        if self.out:
            self.out.close()
        if self._quotes:
            self._quotes.close()
        if not self.fault and self._is_blank:
            self.fault = FileFault("empty_file", "the file is empty; deliver it again")
        if self._quotes and self._quotes.fault_line:
            self.quote_fault = FileFault(
                "unclosed_quote",
                f"a quotation mark of line {self._quotes.fault_line} is not closed where a field "
                "ends; double those inside a field, or declare format.quote: null",
            )


# --- opening ----------------------------------------------------------------------------------


def open_rows(
    path: Path, found: Scan, form: Format, wanted: tuple[str, ...], reject: Reject
) -> Rows:
    """Open a scanned file.

    Args:
        path: the delivered bytes (used for Parquet).
        found: what ``scan`` found.
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
    quoting = csv.QUOTE_NONE if form.quote is None else csv.QUOTE_MINIMAL
    records, blank = [], 0
    reader = csv.reader(lines(), delimiter=delimiter, quotechar=form.quote or '"', quoting=quoting)
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
    """Say why the header lacks what the mapping names."""
    with path.open("rb") as stream:
        stream.seek(found.skip)
        start = stream.read(4096).decode("utf-8", "ignore").lstrip()
    if _MARKUP.match(start) or start[:1] in ("{", "["):
        what = "an HTML or XML page" if start[0] == "<" else "a JSON document"
        raise FileFault(
            "not_a_table", f"the file is {what}, probably an error of the export; export anew"
        )
    for delimiter, name in _DELIMITERS.items():
        if delimiter == form.delimiter:
            continue
        header = _read_header(path, found.skip, form, delimiter)
        names = header.records[form.header - 1] if len(header.records) >= form.header else ()
        if len(projection.find_columns(wanted, names).missing) < len(missing):
            raise FileFault(
                "wrong_delimiter", f"the fields are separated by {name}; declare format.delimiter"
            )
    if found.quote_fault:
        raise found.quote_fault
    raise FileFault(
        "missing_column",
        f"{projection.count(len(missing), 'column')} that the mapping names "
        f"{'is' if len(missing) == 1 else 'are'} not in the header: "
        f"{projection.shown_names(missing)}; mend the mapping or the export",
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
    columns = projection.find_columns(wanted, names)
    if columns.missing:
        _not_the_table(path, found, form, wanted, columns.missing)
    if columns.duplicate:
        raise FileFault(
            "duplicate_header",
            f"the header names a column twice: {projection.shown_names(columns.duplicate)}; "
            "rename one in the export",
        )
    if found.quote_fault:
        raise found.quote_fault
    cells = tuple(f"c{place}" for place in range(len(names)))
    rows = Rows(names=names, cells=cells, at=columns.at, blank=header.blank)
    first = header.blank + form.header_rows + 1
    shape = _Shape(
        width=len(names),
        delimiter=form.delimiter,
        quote=form.quote,
        first=first,
        headers=header.records,
        field_limit=form.max_field_kb << 10,
    )
    rows.reader = _reader(_delimited(path, found.skip + header.length, shape, rows, reject), rows)
    return rows


def _open_lines(path: Path, found: Scan, form: Format, reject: Reject) -> Rows:
    if _no_markup(path, found).startswith("["):
        raise FileFault("not_a_table", "the file is one JSON array; declare format.type: json")
    rows = Rows(is_json=True)
    # A JSON text has no raw control character inside its strings: none of these lines is cut.
    shape = _Shape(
        width=1,
        delimiter="\x01",
        quote=None,
        first=1,
        headers=(),
        field_limit=form.max_field_kb << 10,
        reason="invalid_json",
    )
    rows.reader = _reader(_delimited(path, found.skip, shape, rows, reject), rows, names=("doc",))
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
    return Rows(is_json=True, reader=pa.RecordBatchReader.from_batches(batch.schema, [batch]))


def _no_markup(path: Path, found: Scan) -> str:
    """The beginning of the text, unless it is markup."""
    with path.open("rb") as stream:
        stream.seek(found.skip)
        start = stream.read(4096).decode("utf-8", "ignore").lstrip()
    if _MARKUP.match(start):
        raise FileFault(
            "not_a_table",
            "the file is an HTML or XML page, probably an error of the export; export anew",
        )
    return start


def _open_parquet(path: Path, form: Format, wanted: tuple[str, ...]) -> Rows:
    try:
        file = pq.ParquetFile(path)
        names, count = tuple(file.schema_arrow.names), file.metadata.num_rows
    except (pa.ArrowException, OSError, ValueError) as error:
        message = f"the file cannot be read as Parquet ({type(error).__name__}); export it anew"
        raise FileFault("unreadable_parquet", message) from None
    columns = projection.find_columns(wanted, names)
    if columns.missing:
        raise FileFault(
            "missing_column",
            f"{projection.count(len(columns.missing), 'column')} that the mapping names not in the "
            f"file: {projection.shown_names(columns.missing)}; mend the mapping or the export",
            count,
        )
    if columns.duplicate:
        shown = projection.shown_names(columns.duplicate)
        raise FileFault("duplicate_header", f"a column appears twice: {shown}; rename one", count)
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
            message = f"the file is damaged ({type(error).__name__}); export it anew"
            raise FileFault("unreadable_parquet", message, count) from None

    rows.reader = _reader(batches(), rows, schema=schema)
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


# --- streaming --------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Shape:
    """What the body of a delimited text looks like; ``first`` is its first record's number."""

    width: int
    delimiter: str
    quote: str | None
    first: int
    headers: tuple[tuple[str, ...], ...]
    field_limit: int
    reason: str = "wrong_width"


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


def _delimited(
    path: Path, start: int, shape: _Shape, rows: Rows, reject: Reject
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
                yield _checked(batch, numbers, shape, rows, reject)
        except pa.ArrowInvalid as error:
            # Arrow's message may quote the row; the exception therefore goes no further.
            raise FileFault(
                "oversized_field",
                f"a row has more than {block >> 20} MiB; raise format.max_field_kb if it is right"
                if "straddl" in str(error)
                else "the rows cannot be read as declared; check format",
            ) from None


def _checked(
    batch: pa.RecordBatch, numbers: _Numbers, shape: _Shape, rows: Rows, reject: Reject
) -> pa.RecordBatch:
    """The batch without blank rows and repeated headers, with the rows' numbers."""
    number = numbers.take(len(batch)) + (shape.first - 1)
    # most batches of small files are smaller than any field may be
    for column in batch.columns if batch.nbytes > shape.field_limit else ():
        longest = pc.max(pc.binary_length(column)).as_py() or 0
        if longest > shape.field_limit:
            raise FileFault(
                "oversized_field",
                f"a field has {longest >> 10} KiB, more than format.max_field_kb "
                f"{shape.field_limit >> 10}; raise it if it is right",
            )
    drop = None
    blank = _rows_equal(batch, ("",) * shape.width) if shape.width > 1 else _blank(batch.column(0))
    if len(blank):
        rows.blank += len(blank)
        drop = blank
    for header in shape.headers:
        repeated = _rows_equal(batch, header) if any(header) else []
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
    return np.flatnonzero(values.to_numpy(zero_copy_only=False))


def _blank(column: pa.Array) -> np.ndarray:
    """The places of the texts that are empty or spaces; only short ones are looked at closely."""
    column = column.fill_null("")
    places = _true_places(pc.less(pc.binary_length(column), 64))
    trimmed = pc.utf8_trim_whitespace(column.take(pa.array(places)))
    return places[_true_places(pc.equal(trimmed, ""))]


def _as_text(cells: tuple[str, ...], shape: _Shape) -> str:
    """The cells as one record, as they were delivered up to quoting."""
    if shape.quote is None:
        return shape.delimiter.join(cells)
    out = io.StringIO()
    csv.writer(out, delimiter=shape.delimiter, quotechar=shape.quote, lineterminator="").writerow(
        cells
    )
    return out.getvalue()


def _reader(
    batches: Iterator[pa.RecordBatch],
    rows: Rows,
    names: tuple[str, ...] | None = None,
    schema: pa.Schema | None = None,
) -> pa.RecordBatchReader:
    """The batches as a reader for DuckDB.

    A fault is kept in ``rows.fault``: what comes out of DuckDB is an exception of its own, whose
    text is not for users. The first batch is read at once, so that most faults are raised here.
    """
    if schema is None:
        columns = names or tuple(f"c{place}" for place in range(len(rows.names)))
        fields = [pa.field(name, pa.string()) for name in columns]
        schema = pa.schema([*fields, pa.field("_row_number", pa.int64())])
    first = [batch.rename_columns(schema.names) for batch in [next(batches, None)] if batch]

    rows.sample = first[0].slice(0, _SAMPLE) if first else None

    def guarded() -> Iterator[pa.RecordBatch]:
        yield from first
        try:
            for batch in batches:
                yield batch.rename_columns(schema.names)
        except FileFault as fault:
            rows.fault = fault
            raise

    return pa.RecordBatchReader.from_batches(schema, guarded())
