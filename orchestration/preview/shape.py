"""How a file that nobody declared is to be read: type, encoding, delimiter, sheet, header rows."""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from orchestration.core.errors import UserError
from orchestration.lake.columns import count
from orchestration.lake.faults import FileFault
from orchestration.lake.names import printable
from orchestration.lake.packed import packing_of, unpacked
from orchestration.lake.reader import open_rows
from orchestration.lake.scan import scan_file
from orchestration.preview.excerpt import take_head
from orchestration.workspace.model import Format

# What is looked at to see how a file is written, and what is read to see what it holds.
_HEAD = 1 << 20
_MOST_ROWS, _MOST_DOCUMENTS = 300_000, 20_000
_MOST_BYTES = 256 << 20
# The rarest in texts first: where two cut alike, commas are those of numbers and sentences.
_DELIMITERS = {"\t": "tabs", "|": "vertical bars", ";": "semicolons", ",": "commas"}
# SurveyMonkey's second header row names the kind of each answer.
_KINDS_OF_ANSWER = re.compile(r"(open-ended )?response|other \(please specify\)|", re.IGNORECASE)
_VALUE = re.compile(r"\s*[+-]?\d[\d.,:/\s-]*\s*")
_ENDINGS = {
    ".xlsx": "xlsx", ".parquet": "parquet", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json",
}  # fmt: skip


@dataclass
class Table:
    """A file's rows as text, and how it is to be declared.

    Attributes:
        path: the file.
        form: what ``format:`` must say; empty for a plain CSV file.
        columns: the delivered columns, each with its cells; NULL where empty.
        questions: of columns whose second header row says what was asked: that text.
        rows: how many rows were read.
        is_whole: whether these are all of the file's rows.
        words: how the file is written, for people.
    """

    path: Path
    form: dict[str, Any]
    columns: pa.Table
    questions: dict[str, str] = field(default_factory=dict)
    rows: int = 0
    is_whole: bool = True
    words: str = ""


def read_table(path: Path) -> Table:
    """Find out how a file is written, and read it as the lake would.

    Raises:
        UserError: it cannot be read as a table; one line that says why.
    """
    name = printable(path.name)
    try:
        form, header, words = _declared(path)
        return _read(path, form, header, words)
    except FileFault as fault:
        raise UserError(f"{name}: {fault.reason}: {fault.message}") from None
    except OSError as error:
        raise UserError(f"{name}: cannot be read ({error.strerror})") from None


def _declared(path: Path) -> tuple[dict[str, Any], list[tuple[str, ...]], str]:
    """What ``format:`` must say, the header's rows, and how the file is written in words."""
    bare = path.name.lower()
    for ending in (".gz", ".gzip", ".zip"):
        bare = bare.removesuffix(ending)
    kind = _ENDINGS.get(Path(bare).suffix)
    if kind == "parquet":
        return {"type": "parquet"}, [], "Parquet"
    if kind == "xlsx":
        return _workbook(path)
    head, is_packed = _head(path)
    if not head:
        raise FileFault("empty_file", "the file is empty; export it again", 0)
    encoding, text = _decoded(path, head, is_packed=is_packed)
    said = {} if encoding == "utf-8" else {"encoding": encoding}
    stripped = text.lstrip()
    if stripped[:1] in ("{", "["):
        return _json(stripped, kind, said)
    delimiter, records = _records(text)
    rows, place = _header_rows(records)
    kind_said: dict[str, Any] = {}
    if delimiter == "\t":
        kind_said["type"] = "tsv"
    elif delimiter != ",":
        kind_said["delimiter"] = delimiter
    if rows > 1:
        kind_said |= {"header_rows": rows, "header": place + 1}
    words = f"{_DELIMITERS[delimiter]}, {encoding.upper()}"
    words += f", {rows} header rows of which row {place + 1} names the columns" * (rows > 1)
    return kind_said | said, list(map(tuple, records[:rows])), words


def _head(path: Path) -> tuple[bytes, bool]:
    """The first bytes of the text, unpacked, and whether they were packed."""
    with path.open("rb") as stream:
        head = stream.read(_HEAD)
    packing = packing_of(head, path.name, Format())
    if not packing:
        return head, False
    return next(unpacked(path, packing, Format()), b"")[:_HEAD], True


def _decoded(path: Path, head: bytes, *, is_packed: bool) -> tuple[str, str]:
    """The encoding to declare, and the first text. UTF-16 says itself what it is by its mark."""
    for mark, name in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        if head.startswith(mark):
            return "utf-8", head[2:].decode(name, "ignore")
    even, odd = head[0:4000:2].count(0), head[1:4000:2].count(0)
    if len(head) > 3 and max(even, odd) > 0.4 * len(head[:4000]) / 2:
        name = "utf-16-be" if even > odd else "utf-16-le"
        return name, head.decode(name, "ignore")
    if _is_utf8(head) if is_packed else _is_utf8_file(path):
        return "utf-8", head.decode("utf-8-sig", "ignore")
    return "cp1252", head.decode("cp1252", "replace")


def _is_utf8(head: bytes) -> bool:
    """Whether the first bytes of a text are UTF-8; the last character may be cut."""
    try:
        codecs.getincrementaldecoder("utf-8")("strict").decode(head)
    except UnicodeDecodeError:
        return False
    return True


def _is_utf8_file(path: Path) -> bool:
    """Whether all of a file's bytes are UTF-8: one word far below may be of another encoding."""
    decoder = codecs.getincrementaldecoder("utf-8")("strict")
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(8 << 20):
                decoder.decode(chunk)
        decoder.decode(b"", True)
    except UnicodeDecodeError:
        return False
    return True


def _records(text: str) -> tuple[str, list[list[str]]]:
    """The delimiter that cuts most lines into equally many cells, and the first records."""
    lines = text.splitlines(keepends=True)
    if len(text) >= _HEAD // 4 and len(lines) > 1:
        lines = lines[:-1]  # the last one may be cut
    best: tuple[float, int, str, list[list[str]]] | None = None
    for delimiter in _DELIMITERS:
        try:
            reader = csv.reader(io.StringIO("".join(lines[:2000]), newline=""), delimiter=delimiter)
            records = [record for _, record in zip(range(200), reader, strict=False)]
        except csv.Error:
            continue
        widths = Counter(len(record) for record in records if any(record))
        if not widths:
            continue
        width, rows = widths.most_common(1)[0]
        rank = (rows / widths.total() if width > 1 else 0.0, width, delimiter, records)
        if best is None or rank[:2] > best[:2]:
            best = rank
    if best is None:
        raise FileFault("not_a_table", "no rows can be found in it; export it as CSV", 0)
    records = best[3]
    while records and not any(cell.strip() for cell in records[0]):
        records = records[1:]  # blank lines before the header are skipped
    return best[2], records


def _header_rows(records: Sequence[Sequence[str]]) -> tuple[int, int]:
    """How many rows come before the data, and which of them, from 0, names the columns."""
    width = Counter(len(record) for record in records if any(record)).most_common(1)[0][0]
    place = next(
        (at for at, record in enumerate(records[:20]) if _is_header(record, width)),
        0,
    )
    rows = place + 1
    for at in range(place + 1, min(place + 4, len(records))):
        if any('"ImportId"' in cell for cell in records[at]):  # Qualtrics
            return at + 1, place
    if len(records) > rows + 1 and _is_second_header(records[rows], records[rows + 1 :]):
        rows += 1
    return rows, place


def _is_header(record: Sequence[str], width: int) -> bool:
    """Whether a record names as many columns as the data has, by texts of which none is a value."""
    filled = [cell for cell in record if cell.strip()]
    return (
        len(record) == width
        and len(filled) >= max(1, (width + 1) // 2)
        and not any(_VALUE.fullmatch(cell) for cell in filled)
    )


def _is_second_header(record: Sequence[str], data: Sequence[Sequence[str]]) -> bool:
    """Whether a record below the header still names: it begins empty, and no row of data does."""
    if not record or record[0].strip() or not any(cell.strip() for cell in record):
        return False
    if any(_VALUE.fullmatch(cell) for cell in record if cell.strip()):
        return False
    following = [row for row in data[:5] if row]
    return bool(following) and all(row[0].strip() for row in following)


def _json(
    text: str, kind: str | None, said: dict[str, Any]
) -> tuple[dict[str, Any], list[tuple[str, ...]], str]:
    """The declaration of JSON: lines of objects, an array, or an array inside a document."""
    first, _, rest = text.partition("\n")
    try:
        is_line = isinstance(json.loads(first), dict) and rest.lstrip()[:1] == "{"
    except ValueError:
        is_line = False
    if kind == "jsonl" or is_line:
        return {"type": "jsonl", **said}, [], "JSON, an object a line"
    if text.startswith("["):
        return {"type": "json", **said}, [], "JSON, an array of objects"
    match = re.search(r'"([A-Za-z_][\w-]*)"\s*:\s*\[\s*\{', text)
    if match is None:
        raise FileFault("invalid_json", "no array of objects can be found in the document", 0)
    return {"type": "json", "records": match[1], **said}, [], f"JSON, the array {match[1]!r}"


def _workbook(path: Path) -> tuple[dict[str, Any], list[tuple[str, ...]], str]:
    """The declaration of an Excel workbook: the sheet with most rows, and its header."""
    import openpyxl

    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except Exception:  # whatever a damaged archive raises
        raise FileFault("unreadable_workbook", "save it as .xlsx without a password", 0) from None
    sheets = [each for each in book.worksheets if each.sheet_state == "visible"]
    if not sheets:
        raise FileFault("unreadable_workbook", "it has no visible sheet", 0)
    sheet = max(sheets, key=lambda each: each.max_row or 0)
    records = [
        ["" if cell is None else str(cell) for cell in row]
        for row in sheet.iter_rows(max_row=60, values_only=True)
    ]
    book.close()
    cut = [record[: _width(record)] for record in records]
    rows, place = _header_rows(cut) if any(cut) else (1, 0)
    form: dict[str, Any] = {"type": "xlsx"}
    if len(sheets) > 1:
        form["sheet"] = sheet.title
    if rows > 1:
        form |= {"header_rows": rows, "header": place + 1}
    words = f"Excel, sheet {sheet.title!r}" + f", the header in row {place + 1}" * (place > 0)
    return form, [tuple(record) for record in records[:rows]], words


def _width(record: Sequence[str]) -> int:
    """How many cells a row has up to its last filled one."""
    return max((place for place, cell in enumerate(record, start=1) if cell.strip()), default=0)


def _read(
    path: Path, said: Mapping[str, Any], header: Sequence[Sequence[str]], words: str
) -> Table:
    """Read the file's rows by the lake's reader."""
    form = Format(**said)
    with tempfile.TemporaryDirectory() as folder:
        head, is_whole = Path(folder) / path.name, True
        if path.stat().st_size > _MOST_BYTES and take_head(path, head, form, _MOST_BYTES):
            path_read, is_whole = head, False
        else:
            path_read = path
        found = scan_file(path_read, form, scratch=Path(folder) / ".text", name=path.name)
        rows = open_rows(path_read, found, form, (), lambda *_: None)
        most = _MOST_DOCUMENTS if rows.is_json else _MOST_ROWS
        batches, total = [], 0
        for batch in rows.reader:
            batches.append(batch)
            total += len(batch)
            if total >= most and not rows.is_json:
                is_whole = False
                break
        table = pa.Table.from_batches(batches, rows.reader.schema)
    if rows.is_json:
        columns = _flattened(table.column("doc").to_pylist()[:most])
    else:
        columns = _as_text(table, rows.names, rows.cells)
    total = len(columns)
    if not total:
        raise FileFault("header_only", "the file has no rows", 0)
    table_words = f"{count(total, 'row')}{'' if is_whole else ' and more'}, "
    table_words += f"{count(len(columns.column_names), 'column')}, {words}"
    questions = _questions(header, said, rows.names)
    return Table(path, dict(said), columns, questions, total, is_whole, table_words)


def _as_text(table: pa.Table, names: Sequence[str], cells: Sequence[str]) -> pa.Table:
    """The delivered columns by their names, as the lake reads them; nameless ones are left out."""
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.register("delivered", table)
        named = [(n.strip(), cell) for n, cell in zip(names, cells, strict=True) if n.strip()]
        if not named:
            raise FileFault("missing_column", "no column has a name", 0)
        picked = ", ".join(
            f"nullif(trim(({cell})::varchar), '') as c{place}"
            for place, (_, cell) in enumerate(named)
        )
        found = connection.execute(f"select {picked} from delivered").to_arrow_table()
    return found.rename_columns([name for name, _ in named])


def _flattened(documents: Sequence[str | None]) -> pa.Table:
    """Objects as a table: members of members by dotted paths; lists are left out."""
    if len(documents) == 1 and documents[0]:
        content = json.loads(documents[0])
        found = content if isinstance(content, list) else _first_list(content)
    else:
        found = [_object(text) for text in documents if text]
    rows = [_paths(each) for each in found if isinstance(each, dict)][:_MOST_DOCUMENTS]
    names = dict.fromkeys(name for row in rows for name in row)
    return pa.table({name: pa.array([r.get(name) for r in rows], pa.string()) for name in names})


def _object(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _first_list(content: Any) -> list[Any]:
    if not isinstance(content, dict):
        return []
    lists = (v for v in content.values() if isinstance(v, list) and v and isinstance(v[0], dict))
    return next(lists, [content])


def _paths(document: Mapping[str, Any], prefix: str = "") -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for key, value in document.items():
        if isinstance(value, dict):
            found |= _paths(value, f"{prefix}{key}.")
        elif value is None or isinstance(value, str | int | float | bool):
            text = json.dumps(value) if isinstance(value, bool) else str(value)
            found[prefix + key] = None if value is None or not text.strip() else text.strip()
    return found


def _questions(
    header: Sequence[Sequence[str]], said: Mapping[str, Any], names: Sequence[str]
) -> dict[str, str]:
    """What the row below the names says of each column, if there is such a row."""
    place = int(said.get("header", 1))
    if len(header) <= place:
        return {}
    texts = zip(names, header[place], strict=False)
    return {
        name.strip(): text.strip()
        for name, text in texts
        if text.strip() and text.strip() != name.strip() and not _KINDS_OF_ANSWER.fullmatch(text)
    }
