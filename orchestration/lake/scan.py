"""One pass over the delivered bytes: hash, archive, decode strictly, check quotation marks."""

from __future__ import annotations

import codecs
import hashlib
import io
import itertools
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from orchestration.lake.columns import MARK
from orchestration.lake.faults import FileFault
from orchestration.lake.packed import packing_of, unpacked
from orchestration.workspace.model import Format

# Larger pieces cost twice as much: each pass over them misses the processor's cache.
CHUNK = 256 << 10
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


@dataclass
class Scan:
    """What one pass over the bytes found.

    Attributes:
        name: the file's name as it was delivered.
        sha256: of the delivered bytes, in hex.
        size: of the delivered bytes.
        text_size: of the text in bytes; that of a compressed file may be far larger.
        lines: lines of the text; 0 for Parquet.
        skip: bytes of a byte order mark before the text in ``text``.
        has_marks: whether the text may hold the character that separates cells while hashing.
        text: where the UTF-8 text is; None for Parquet or where a fault was found.
        fault: what the bytes alone show to be wrong.
        quote_fault: a quotation mark out of place; decided after the header has been read.
    """

    name: str = ""
    sha256: str = ""
    size: int = 0
    text_size: int = 0
    lines: int = 0
    skip: int = 0
    has_marks: bool = True
    text: Path | None = None
    fault: FileFault | None = None
    quote_fault: FileFault | None = None


class Lines:
    """Counts lines of UTF-8 bytes; LF, CR LF and a lone CR each end one."""

    def __init__(self) -> None:
        self.ended = 0
        self._last = b""

    def feed(self, data: bytes) -> None:
        """Count the lines of the next bytes."""
        if data:
            self.ended = self.after(data) - 1
            self._last = data[-1:]

    def after(self, data: bytes) -> int:
        """The number of the line that begins, or goes on, after these bytes."""
        return self.ended + lines_ended(data) - (self._last + data[:1] == b"\r\n") + 1

    @property
    def total(self) -> int:
        """The number of lines, one without a line end at the end of the text included."""
        return self.ended + (self._last not in (b"", b"\n", b"\r"))


def lines_ended(data: bytes) -> int:
    """Number of line ends in the bytes."""
    # numpy counts a byte ten times as fast as bytes.count does
    feeds = int(np.count_nonzero(np.frombuffer(data, dtype=np.uint8) == ord("\n")))
    returns = data.count(b"\r") if b"\r" in data else 0
    return feeds + (returns - data.count(b"\r\n") if returns else 0)


class Quotes:
    """Finds the first quotation mark out of place, by the CSV reader's own rules of quoting.

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
        self._lines = Lines()
        self._opened_line = 0
        self.fault_line: int | None = None

    def feed(self, data: bytes) -> None:
        """Check the next bytes."""
        if self.fault_line is None and data:
            data = self._held + data
            self._check(data)
            self._lines.feed(data[1 : 1 + max(0, len(data) - 2)])
            self._held = data[-2:]

    def close(self) -> None:
        """Check the last byte, and whether the text ends inside a quoted field."""
        self.feed(b"\n")
        if self.fault_line is None and self._inside:
            self.fault_line = self._opened_line or 1

    def _check(self, data: bytes) -> None:
        """Check all but the first and the last byte: each needs its neighbours."""
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
        """Check the marks one by one: unquoted fields hold some of them."""
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
    """The fault that the first bytes show, or the encoding and its byte order mark's length."""
    for magic, what in _COMPRESSED.items():
        if head.startswith(magic):
            fix = {"PK": "; name a zip archive *.zip, or declare format.type: xlsx",
                   "\x1f\x8b": "; name it *.gz"}.get(magic[:2].decode("latin-1"), "")  # fmt: skip
            message = f"the file is {what}, not {form.type}{fix}, or deliver it unpacked"
            return FileFault("compressed_file", message), "", 0
    if form.type == "parquet":
        return None, "", 0
    for magic, what in _NOT_TEXT.items():
        if head.startswith(magic):
            message = f"the file is {what}, not {form.type}; declare format.type or export it again"
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


def _sniff_workbook(head: bytes) -> FileFault | None:
    """The fault of a file that is no workbook, by its first bytes."""
    if head.startswith(b"PK\x03\x04"):
        return None
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        what = "an old Excel workbook, or one with a password; save it as .xlsx without one"
        return FileFault("unreadable_workbook", f"the file is {what}")
    what = next((name for magic, name in _NOT_TEXT.items() if head.startswith(magic)), "something")
    message = f"the file is {what}, not an Excel workbook; declare format.type or export it again"
    return FileFault("not_a_table", message)


def _looks_utf16(head: bytes) -> bool:
    """Whether many bytes at even places and almost none at odd ones are NUL, or the reverse."""
    even, odd = head[0::2].count(0), head[1::2].count(0)
    return len(head) >= 4 and max(even, odd) > 0.2 * (len(head) / 2) and min(even, odd) <= 1


def hash_file(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def scan_file(
    path: Path, form: Format, *, archive: Path | None = None, scratch: Path, name: str = ""
) -> Scan:
    """Read the bytes once: hash, archive, decode strictly, look for what cannot be read.

    Args:
        path: the delivered file.
        form: how it is declared to be.
        archive: where to copy the bytes, or None.
        scratch: where to write the text as UTF-8 if it is something else, or compressed.
        name: the file's name as it was delivered.

    Raises:
        OSError: when reading or writing fails.
    """
    copy = archive.open("wb") if archive else io.BytesIO()
    found = Scan(name)
    with path.open("rb") as stream, copy as out:
        _scan(found, stream, out if archive else None, archive or path, form=form, scratch=scratch)
    return found


def _scan(
    found: Scan,
    stream: BinaryIO,
    copy: BinaryIO | None,
    kept: Path,
    *,
    form: Format,
    scratch: Path,
) -> None:
    digest, head = hashlib.sha256(), stream.read(CHUNK)
    packing = packing_of(head, found.name, form)
    text = None
    if not packing:
        text = _begin(found, head, form, scratch)

    def keep(chunk: bytes) -> None:
        digest.update(chunk)
        if copy:
            copy.write(chunk)

    # hashing and writing leave Python's lock to the search
    with ThreadPoolExecutor(1) as beside:
        chunk = head
        while chunk:
            found.size += len(chunk)
            job = beside.submit(keep, chunk) if found.size > CHUNK else None
            if not job:  # a small file is not worth a thread
                keep(chunk)
            if text:
                text.feed(chunk)
            chunk = stream.read(CHUNK)
            if job:
                job.result()
    found.sha256 = digest.hexdigest()
    if packing:
        if copy:
            copy.flush()
        text = _unpack(found, unpacked(kept, packing, form), form, scratch)
    if text:
        text.close()
        found.fault = found.fault or text.fault
        found.quote_fault, found.lines = text.quote_fault, text.lines.total
        found.text_size = found.size if text.out is None else text.written
        found.text = None if found.fault else (kept if text.out is None else scratch)
        found.skip = found.skip if text.out is None else 0
        found.has_marks = text.marks.found


def _begin(
    found: Scan, head: bytes, form: Format, scratch: Path, *, copies: bool = False
) -> _Text | None:
    """The text side of a scan, if the first bytes show no fault and the file is a text."""
    if form.type == "xlsx":
        found.fault = _sniff_workbook(head)
    else:
        found.fault, encoding, found.skip = _sniff(head[:65536], form)
    if not head:
        found.fault = FileFault("empty_file", "the file is empty; deliver it again")
    if found.fault or form.type in ("parquet", "xlsx"):
        return None
    return _Text(form, encoding, found.skip, scratch, copies=copies)


def _unpack(found: Scan, chunks: Iterator[bytes], form: Format, scratch: Path) -> _Text | None:
    """The text side of a scan of what a compressed file holds."""
    text = None
    try:
        head = next(chunks, b"")
        text = _begin(found, head, form, scratch, copies=True)
        if text:
            for chunk in itertools.chain([head], chunks):
                text.feed(chunk)
    except FileFault as fault:
        found.fault = fault
    return text


class _Escapes:
    r"""Finds the escape of NUL in a JSON text, ``\u0000``, that is not itself escaped."""

    _NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")

    def __init__(self) -> None:
        self._held = b""

    def find(self, data: bytes) -> int | None:
        """The place in these bytes at which an escape begins or goes on; None if there is none."""
        data, held = self._held + data, len(self._held)
        # what an escape may begin with, and the backslashes that may escape it
        tail = re.search(rb"\\*u?0{0,3}\Z", data[-4096:]) if b"\\" in data[-5:] else None
        self._held = tail.group() if tail else b""
        if b"\\u0000" not in data:
            return None
        found = self._NUL.search(data)
        return max(0, found.start() - held) if found else None


class _Marks:
    """Finds ``MARK`` in a text; of JSON also where it is written as an escape."""

    def __init__(self, *, is_json: bool) -> None:
        self._is_json = is_json
        self._held = b""
        self.found = False

    def feed(self, data: bytes) -> None:
        """Look at the next bytes."""
        data = self._held + data
        self.found = self.found or MARK.encode() in data
        if self._is_json and b"\\u001" in data:  # one search where there is no escape
            self.found = self.found or b"\\u001f" in data or b"\\u001F" in data
        self._held = data[-5:]  # what an escape may begin with


class _Text:
    """The text side of a scan: strict decoding, NUL, lines, quotation marks, blankness."""

    def __init__(
        self, form: Format, encoding: str, skip: int, scratch: Path, *, copies: bool
    ) -> None:
        self._declared = encoding
        self._decoder = codecs.getincrementaldecoder(encoding)("strict")
        self._skip = skip
        self._is_blank = True
        quoted = form.is_delimited and form.quote is not None
        self._quotes = Quotes(form.delimiter, form.quote or "") if quoted else None
        self._escapes = _Escapes() if form.type in ("json", "jsonl") else None
        self.out = scratch.open("wb") if copies or encoding not in _UTF8 else None
        self.written = 0
        self.lines = Lines()
        self.marks = _Marks(is_json=self._escapes is not None)
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
        elif self._escapes and (place := self._escapes.find(data)) is not None:
            line = self.lines.after(data[:place])
            message = f"a NUL character (\\u0000) in line {line}: no text has one; fix the export"
            self.fault = FileFault("nul_byte", message)
        self.lines.feed(data)
        self.marks.feed(data)
        self._is_blank = self._is_blank and not data.strip()
        if self.out:
            self.out.write(data)
            self.written += len(data)
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
