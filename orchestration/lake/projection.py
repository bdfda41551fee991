"""From a source's declared mapping to the SQL that makes canonical rows of delivered ones.

``projection`` builds one SELECT over the relation that the reader opened. Nothing that a user or
a file wrote enters it but as a quoted literal: names of columns are looked up in the header and
become ``c0``, ``c1``, …, JSON paths become JSON pointers.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from orchestration.workspace.entities import ENTITIES, Column
from orchestration.workspace.model import Source, Workspace

# Part of every mapping version: raise it when the same bytes are to be read differently.
READER_VERSION = "1"

_IDENTIFIER = re.compile(r"[A-Za-z0-9_ .()#/-]{1,60}")
# RFC 3339's profile of ISO 8601, and with it a date alone, a space for the T, a time without
# seconds, an offset without minutes or colon. Never a bare number, never another order.
_ISO = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,9})?)?"
    r"(Z|[+-](0[0-9]|1[0-4])(:?[0-5][0-9])?)?)?"
)
_EMAIL = r"[^@\s]+@[^@\s]+\.[^@\s]+"
_SPACES = r"e' \t\r\n'"
# Stands between cells that are hashed as one text.
MARK = "\x1f"
_DAY_US = 86_400_000_000
# Further from a change of the clocks than any of them ever was (Samoa left out 24 hours).
_AROUND_US = 26 * 3_600_000_000


# --- names ------------------------------------------------------------------------------------


def count(number: int, noun: str) -> str:
    """``1 column``, ``2 columns``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def shown_names(names: Iterable[str]) -> str:
    """Names of columns for a message: only those that look like names, as a header may be data."""
    names = list(names)
    safe = [f"'{name}'" for name in names if _IDENTIFIER.fullmatch(name)][:10]
    others = len(names) - len(safe)
    if others:
        safe.append(f"{others} {'others' if safe else 'not shown'}")
    return ", ".join(safe)


@dataclass(frozen=True)
class Found:
    """Where the wanted columns lie: ``at`` by declared name; what is missing or there twice."""

    at: Mapping[str, int]
    missing: list[str]
    duplicate: list[str]


def _folded(name: str) -> str:
    return " ".join(name.split()).casefold()


def find_columns(wanted: Iterable[str], names: tuple[str, ...]) -> Found:
    """Find the wanted columns by name: exactly, else by case-folded name with spaces collapsed.

    Blank names are no names. Two equal names are a duplicate, wanted or not; two names that only
    differ in case or spaces are one if one is wanted and neither is it exactly.
    """
    duplicate = sorted({name for name in names if name.strip() and names.count(name) > 1})
    exact = {name: place for place, name in enumerate(names) if name.strip()}
    folded: dict[str, list[int]] = {}
    for name, place in exact.items():
        folded.setdefault(_folded(name), []).append(place)
    at, missing = {}, []
    for name in dict.fromkeys(wanted):
        places = [exact[name]] if name in exact else folded.get(_folded(name), [])
        if not places:
            missing.append(name)
        else:
            at[name] = places[0]
            if len(places) > 1:
                duplicate.append(name)
    return Found(at, missing, duplicate)


def wanted_columns(source: Source) -> tuple[str, ...]:
    """Every delivered column that the mapping names, once."""
    declared = [*source.columns.values(), *source.attributes.values()]
    names = [name for names in declared for name in names]
    if snapshot_kind(source) == "column":
        names.append(source.snapshot_at)
    return tuple(dict.fromkeys(names))


def snapshot_kind(source: Source) -> str:
    """Where a snapshot's time comes from: ``file_modified``, ``file_name`` or ``column``."""
    if source.snapshot_at == "file_modified":
        return "file_modified"
    return "file_name" if "%" in source.snapshot_at else "column"


def mapping_version(workspace: Workspace, source: Source) -> str:
    """Twelve hex digits that change whenever the same bytes would be read differently."""
    content = {
        "reader": READER_VERSION,
        "columns": source.columns,
        "constants": source.constants,
        "attributes": source.attributes,
        "timestamps": source.timestamps,
        "timezone": workspace.timezone_of(source),
        "customer_source": source.customers_of,
        "snapshot_at": source.snapshot_at,
        "format": source.format.model_dump(),
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


_NOTHING = "null::varchar"

# --- cells ------------------------------------------------------------------------------------


def quoted(text: str) -> str:
    """A SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def _pointer(keys: Iterable[str]) -> str:
    """A JSON pointer (RFC 6901)."""
    return "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in keys)


_STEP = re.compile(
    r"""(?P<key>[^.\[\]]+)          # a member
    | \[(?P<index>\d+)\]            # an element by its place
    | \[(?P<path>[^=\]]+)=(?P<value>[^\]]*)\]   # the first element whose member has a value
    """,
    re.VERBOSE,
)


def json_text(document: str, path: str) -> str:
    """The SQL expression of the text at a dotted path of a JSON document, or NULL.

    Args:
        document: SQL expression of the document.
        path: such as ``person.email``, ``items[0].name``, ``answers[field.ref=nps].number``.
    """
    return _json_step(document, path, "json_extract_string")


def json_value(document: str, path: str) -> str:
    """The same as ``json_text``, but as JSON."""
    return _json_step(document, path, "json_extract")


def _json_step(document: str, path: str, last: str) -> str:
    expression, keys, place = document, [], 0
    while place < len(path):
        step = _STEP.match(path, place)
        if step is None:  # not a path: only the member of just this name
            return f"{last}({document}, {quoted(_pointer([path]))})"
        place = step.end()
        if path[place : place + 1] == ".":
            place += 1
        if step["path"] is None:
            keys.append(step["key"] if step["key"] is not None else step["index"])
            continue
        if keys:
            expression = f"json_extract({expression}, {quoted(_pointer(keys))})"
            keys = []
        member = quoted(_pointer(step["path"].split(".")))
        same = f"json_extract_string(element, {member}) = {quoted(step['value'])}"
        elements = f"json_extract({expression}, '$[*]')"
        expression = f"list_filter({elements}, lambda element: {same})[1]"
    return f"{last}({expression}, {quoted(_pointer(keys))})"


def _simple_keys(path: str) -> list[str] | None:
    """The keys of a path without filters, or None."""
    steps = re.fullmatch(r"[^.\[\]]+(\.[^.\[\]]+|\[\d+\])*", path)
    return re.findall(r"[^.\[\]]+", path) if steps else None


class _Documents:
    """The cells of JSON documents: all plain paths are read in one pass over each document."""

    def __init__(self, wanted: Iterable[str]) -> None:
        self.pointers: list[str] = []
        self._cells = {name: self._cell(name) for name in wanted}
        self._top = {keys[0] for name in wanted if (keys := _simple_keys(name)) and len(keys) == 1}
        self._top |= {name for name in wanted if "[" not in name}

    def _plain(self, pointer: str) -> str:
        if pointer not in self.pointers:
            self.pointers.append(pointer)
        return f"_cells[{self.pointers.index(pointer) + 1}]"

    def _cell(self, name: str) -> str:
        keys = _simple_keys(name)
        if keys == [name]:
            return self._plain(_pointer(keys))
        nested = self._plain(_pointer(keys)) if keys else json_text("doc", name)
        # A member may itself be called "a.b": then it is meant.
        return f"coalesce({self._plain(_pointer([name]))}, {nested})"

    def cell(self, name: str) -> str:
        return self._cells[name]

    def relation(self, source: str) -> str:
        pointers = ", ".join(quoted(pointer) for pointer in self.pointers)
        return (
            f"(select doc, _row_number, json_extract_string(doc, [{pointers}]) as _cells"
            f" from {source})"
        )

    def extra(self) -> str:
        """All members that no column is mapped from whole (RFC 7396: null removes)."""
        mapped = json.dumps(dict.fromkeys(sorted(self._top)), ensure_ascii=False)
        return f"nullif(json_merge_patch(doc, {quoted(mapped)})::varchar, '{{}}')"


def _joined(parts: list[str]) -> str:
    """The text of one canonical column: its cell, or several joined; NULL when all are empty."""
    if len(parts) == 1:
        return f"nullif({parts[0]}, '')"
    joined = " || '|' || ".join(f"coalesce({part}, '')" for part in parts)
    return f"case when {joined} <> '{'|' * (len(parts) - 1)}' then {joined} end"


# --- times ------------------------------------------------------------------------------------

# A pattern's own Z after the time, as in %H:%M:%SZ, says UTC.
_UTC_LITERAL = re.compile(r"%-?[HMSTXfgnc]Z(?![A-Za-z])")


def _parsed(text: str, pattern: str) -> tuple[str, str, str]:
    """SQL of a text read by one format: the time, whether it is an instant, whether only a day.

    The time is a TIMESTAMP: in UTC if it is an instant, else what the clock on the wall showed.
    """
    if pattern == "iso":
        value = f"trim({text})"
        seconds = (
            f"case when substr({value}, 17, 1) in ('Z', '+', '-') then substr({value}, 1, 16) "
        )
        seconds += f"|| ':00' || substr({value}, 17) else {value} end"
        tail = f"substr({value}, 11)"
        zoned = "(" + " or ".join(f"contains({tail}, '{mark}')" for mark in "Z+-") + ")"
        instant = f"make_timestamp(epoch_us(try_cast({seconds} as timestamptz)))"
        time = (
            f"case when not regexp_full_match({value}, {quoted(_ISO)}) then null "
            f"when {zoned} then {instant} else try_cast({value} as timestamp) end"
        )
        return time, zoned, f"length({value}) = 10"
    if pattern in ("epoch_s", "epoch_ms"):
        value = f"trim({text})"
        digits, scale = ("11", 1_000_000) if pattern == "epoch_s" else ("14", 1_000)
        number = f"try_cast(try_cast({value} as decimal(24, 6)) * {scale} as bigint)"
        shape = quoted(rf"-?[0-9]{{1,{digits}}}(\.[0-9]{{1,6}})?")
        time = f"case when regexp_full_match({value}, {shape}) then make_timestamp({number}) end"
        return time, "true", "false"
    only_day = "false" if re.search(r"%-?[HIMSTXfgncp]", pattern) else "true"
    # strptime also reads 'infinity' and 'epoch', as the year 1900.
    value = f"case when regexp_matches({text}, '[0-9]') then {text} end"
    if re.search(r"%[zZ]", pattern):
        if pattern.endswith("%z"):
            value = f"regexp_replace({value}, 'Z\\s*$', '+00:00')"
        time = f"make_timestamp(epoch_us(try_strptime({value}, {quoted(pattern)})))"
        return time, "true", only_day
    is_utc = "true" if _UTC_LITERAL.search(pattern) else "false"
    return f"try_strptime({value}, {quoted(pattern)})", is_utc, only_day


@dataclass(frozen=True)
class Timed:
    """The SQL of one time column.

    Attributes:
        layers: select lists, each over the one before; the first is over the cells.
        utc: microseconds of the instant (of a date: of its midnight), NULL where there is none.
        text: the canonical text, and the text as delivered where there is none.
        flag: ``<column>:<what is wrong>`` or NULL.
        naive: whether a row's time named no zone; two layers suffice for it.
    """

    layers: tuple[tuple[str, ...], ...]
    utc: str
    text: str
    flag: str
    naive: str


def _wall(zone: str, microseconds: str) -> str:
    """SQL of what the clocks of a zone show at an instant, in microseconds."""
    return f"epoch_us(timezone({quoted(zone)}, make_timestamptz({microseconds})))"


def timed(name: str, cell: str, formats: tuple[str, ...], zone: str, *, is_date: bool) -> Timed:
    """Build the SQL of one time column.

    A clock's time becomes an instant by the zone's rules. Near a change of the clocks there are
    two candidates, by the offset before and by the one after: if both show that time on the wall
    it is ambiguous and the earlier is meant; if neither does, it does not exist. A day without a
    time begins where it begins, also where its midnight is skipped or comes twice.

    Args:
        name: the canonical column.
        cell: SQL of the text.
        formats: strptime patterns, ``iso``, ``epoch_s``, ``epoch_ms``; the first that fits wins.
        zone: IANA name.
        is_date: whether a day is wanted rather than an instant.
    """
    p, z, d, w, i, b, a, o, u = (f"_{letter}_{name}" for letter in "pzdwibaou")
    parsed = [_parsed(cell, each) for each in formats]
    times = [f"_p{place}_{name}" for place in range(len(parsed))]
    fits = [
        " ".join(
            f"when {time} is not null then {each[place]}"
            for time, each in zip(times, parsed, strict=True)
        )
        for place in (1, 2)
    ]
    layers = [
        [f"{sql} as {alias}" for alias, (sql, _, _) in zip(times, parsed, strict=True)],
        [
            # Before the year 1 and after 9999 there is no canonical text.
            f"case when coalesce({', '.join(times)}) between timestamp '0001-01-03' and timestamp "
            f"'9999-12-29' then coalesce({', '.join(times)}) end as {p}",
            f"case {fits[0]} end as {z}",
            f"case {fits[1]} end as {d}",
        ],
        [f"epoch_us({p}) as {w}"],
    ]
    flags = f"when {cell} is not null and {p} is null then {quoted(name + ':bad_timestamp')}"
    if zone == "UTC":
        utc = w
    elif is_date:
        utc = f"case when {z} then {_wall(zone, w)} else {w} end"
    else:
        utc = u
        local = f"{p} is not null and not {z}"
        guess = f"epoch_us(timezone({quoted(zone)}, {p}))"
        before, after = f"{i} - {_AROUND_US}", f"{i} + {_AROUND_US}"
        shown = [f"coalesce({_wall(zone, f'{w} - {offset}')} = {w}, false)" for offset in (b, a)]
        begins = f"make_timestamp({_wall(zone, i)})::date = {p}::date"
        layers += [
            [f"case when {local} then {guess} end as {i}"],
            [
                f"{_wall(zone, before)} - ({before}) as {b}",
                f"{_wall(zone, after)} - ({after}) as {a}",
            ],
            [f"case when {b} <> {a} then {shown[0]}::int + 2 * {shown[1]}::int end as {o}"],
            [
                f"case when {z} then {w} when {o} is null or {o} = 1 then {w} - {b} "
                f"when {o} = 2 then {w} - {a} when {o} = 3 then least({w} - {b}, {w} - {a}) "
                f"when {d} and {begins} then {i} end as {u}"
            ],
        ]
        flags += (
            f" when {o} = 0 and {u} is null then {quoted(name + ':nonexistent_local_time')}"
            f" when {o} = 3 and not {d} then {quoted(name + ':ambiguous_local_time')}"
        )
    pattern = "%Y-%m-%d" if is_date else "%Y-%m-%dT%H:%M:%S.%fZ"
    text = f"coalesce(strftime(make_timestamp({utc}), {quoted(pattern)}), {cell})"
    naive = f"{p} is not null and not {z}"
    return Timed(tuple(map(tuple, layers)), utc, text, f"case {flags} end", naive)


def times_query(source: Source, name: str, zone: str, *, is_date: bool) -> str:
    """SQL of the canonical texts of the relation ``texts`` (column ``cell``), and of their flags.

    Args:
        source: the mapping, for the formats.
        name: the canonical column.
        zone: IANA name of what a time without an offset means.
        is_date: whether a day is wanted rather than an instant.
    """
    formats = source.timestamps.get(name, ("iso",))
    each = timed(name, "cell", formats, zone, is_date=is_date)
    step = "texts"
    for layer in each.layers:
        step = f"(select *, {', '.join(layer)} from {step})"
    return f"select {each.text}, {each.flag} from {step}"


def snapshot_names_query(pattern: str, zone: str) -> str:
    """SQL of the instants that names of files tell, or NULL, as microseconds.

    The names are the relation ``named`` with the columns ``place`` and ``cell``; the instants come
    in the order of ``place``.
    """
    each = timed("named", "cell", (pattern,), zone, is_date=False)
    step = "select * from named"
    for layer in each.layers:
        step = f"select *, {', '.join(layer)} from ({step})"
    return f"select {each.utc} from ({step}) order by place"


# --- the projection ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Delivery:
    """What is known of the file as a whole.

    ``snapshot_at`` is None when a column tells it; all times are naive and in UTC.
    """

    file_sha256: str
    file_name: str
    ingested_at: datetime
    snapshot_at: datetime | None
    version: str


@dataclass(frozen=True)
class Known:
    """What was seen of a relation's texts as a whole, so that SQL need not look at each.

    Attributes:
        times: canonical columns whose canonical texts the relation has, as ``t_<column>``.
        flags: those of them whose flags it has, as ``f_<column>``; the others have none.
        has_marks: whether a cell may hold the character that separates cells while hashing.
        plain: canonical columns of ASCII texts without spaces.
    """

    times: frozenset[str] = frozenset()
    flags: frozenset[str] = frozenset()
    has_marks: bool = True
    plain: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Projection:
    """The SQL over the relation ``delivered`` (of JSON: the documents that are objects).

    Attributes:
        rows: all of the lake's columns, in their order.
        kept: the lake's columns that are columns of the relation just as they are, by name.
        constants: the lake's columns that all rows have in common: text, naive time or None.
        computed: of the lake's columns the others, in their order; None if there is none.
        naive: for each time column whether any row named no zone; None if there is no such column.
        times: the time columns that ``naive`` speaks of.
    """

    rows: str
    kept: Mapping[str, str]
    constants: Mapping[str, str | datetime | None]
    computed: str | None
    naive: str | None
    times: tuple[str, ...]


def lake_columns(entity: str) -> tuple[tuple[str, str], ...]:
    """Name and DuckDB type of every column of an entity's files in the lake, in their order."""
    texts = [*ENTITIES[entity].column_names, "_attributes", "_extra"]
    texts += ["_email_key"] if ENTITIES[entity].has_email else []
    texts += ["_source", "_customer_source", "_file_sha256", "_file_name"]
    return (
        *((name, "VARCHAR") for name in texts),
        ("_row_number", "BIGINT"),
        ("_ingested_at", "TIMESTAMP"),
        ("_snapshot_at", "TIMESTAMP"),
        ("_mapping_version", "VARCHAR"),
        ("_row_hash", "VARCHAR"),
        ("_flags", "VARCHAR"),
    )


def build_projection(
    workspace: Workspace,
    source: Source,
    delivery: Delivery,
    *,
    names: tuple[str, ...],
    cells: tuple[str, ...],
    at: Mapping[str, int],
    relation: str,
    known: Known | None = None,
) -> Projection:
    """Build the SQL of a source's canonical rows.

    Args:
        workspace: for the zone.
        source: the mapping.
        delivery: the file as a whole.
        names: the delivered columns; empty for JSON documents.
        cells: SQL of each delivered column's text.
        at: declared name -> index into ``names``.
        relation: what to select from: it has the cells' columns or ``doc``, and ``_row_number``.
        known: what was seen of its texts; None: nothing.
    """
    entity, known = ENTITIES[source.entity], known or Known()
    kept = {"_row_number": "_row_number"} | {name: f"t_{name}" for name in known.times}
    if names:
        cell: Callable[[str], str] = lambda name: cells[at[name]]  # noqa: E731
        mapped = set(at.values())
        extra = _object(
            {
                names[place].strip() or f"column {place + 1}": f"nullif({cells[place]}, '')"
                for place in range(len(names))
                if place not in mapped
            }
        )
    else:
        documents = _Documents(wanted_columns(source))
        cell, extra = documents.cell, documents.extra()
        relation = documents.relation(relation)
    sources = {column.name: _source_of(column, source, cell) for column in entity.columns}
    sources |= {name: kept[name] for name in known.times}
    columns = [f"{sql} as {name}" for name, sql in sources.items()]
    columns += [f"f_{name}" for name in sorted(known.flags)]
    attributes = {
        name: _joined([cell(each) for each in delivered])
        for name, delivered in source.attributes.items()
    }
    columns += [f"{_object(attributes)} as _attributes", f"{extra} as _extra"]
    if snapshot_kind(source) == "column":
        columns.append(f"{_joined([cell(source.snapshot_at)])} as _snapshot_at_cell")
    given = {*source.columns, *source.constants}
    zone = workspace.timezone_of(source)
    times = {
        column.name: timed(
            column.name,
            column.name,
            source.timestamps.get(column.name, ("iso",)),
            zone,
            is_date=column.kind == "date",
        )
        for column in entity.columns
        if column.kind != "text" and column.name in given and column.name not in known.times
    }
    if snapshot_kind(source) == "column":
        formats = source.timestamps.get("snapshot_at", ("iso",))
        times["_snapshot_at"] = timed(
            "_snapshot_at", "_snapshot_at_cell", formats, zone, is_date=False
        )
    steps = [f"select _row_number, {', '.join(columns)} from {relation}"]
    for depth in range(max((len(each.layers) for each in times.values()), default=0)):
        added = [
            sql for each in times.values() for sql in each.layers[depth : depth + 1] for sql in sql
        ]
        steps.append(f"select *, {', '.join(added)} from ({steps[-1]})")
    naive = [f"bool_or({each.naive})" for each in times.values()]
    rows = _lake_rows(source, times, known, steps[-1])
    facts = shared(source, delivery)
    if extra == _NOTHING:
        facts["_extra"] = None
    if "_snapshot_at" in times:
        del facts["_snapshot_at"]
    if not times and not known.flags:
        facts["_flags"] = None
    # a cell that is a column of the relation needs no SQL
    cells_of = {name: cell(of[0]) for name, of in source.columns.items() if names and len(of) == 1}
    kept |= {
        column.name: cells_of[column.name]
        for column in entity.columns
        if column.kind == "text"
        and column.name not in facts
        and cells_of.get(column.name, "").isalnum()
    }
    order = [name for name, _ in lake_columns(entity.name)]
    whole = [f"{_constant(facts[name])} as {name}" if name in facts else name for name in order]
    computed = [name for name in order if name not in facts and name not in kept]
    return Projection(
        rows=f"select {', '.join(whole)} from ({rows})",
        kept=kept,
        constants=facts,
        computed=f"select {', '.join(computed)} from ({rows})" if computed else None,
        naive=f"select {', '.join(naive)} from ({steps[2]})" if naive else None,
        times=tuple(times),
    )


def shared(source: Source, delivery: Delivery) -> dict[str, str | datetime | None]:
    """The lake's columns that all rows of a file have in common, whatever their texts are."""
    entity, given = ENTITIES[source.entity], {*source.columns, *source.constants}
    facts: dict[str, str | datetime | None] = {
        "_source": source.name,
        "_customer_source": source.customers_of,
        "_file_sha256": delivery.file_sha256,
        "_file_name": delivery.file_name,
        "_ingested_at": delivery.ingested_at,
        "_snapshot_at": delivery.snapshot_at,
        "_mapping_version": delivery.version,
    }
    facts |= {name: None for name in entity.column_names if name not in given}
    facts |= {
        column.name: source.constants[column.name]
        for column in entity.columns
        if column.name in source.constants and column.kind == "text"
    }
    if not source.attributes:
        facts["_attributes"] = None
    if entity.has_email and "email" not in given:
        facts["_email_key"] = None
    return facts


def _constant(value: str | datetime | None) -> str:
    if value is None:
        return _NOTHING
    return quoted(value) if isinstance(value, str) else _literal(value)


def _source_of(column: Column, source: Source, cell: Callable[[str], str]) -> str:
    if column.name in source.constants:
        return quoted(source.constants[column.name])
    if column.name in source.columns:
        return _joined([cell(name) for name in source.columns[column.name]])
    return _NOTHING


def _object(members: Mapping[str, str]) -> str:
    if not members:
        return _NOTHING
    pairs = ", ".join(f"{quoted(name)}, {sql}" for name, sql in members.items())
    return f"json_object({pairs})::varchar"


def _lake_rows(source: Source, times: Mapping[str, Timed], known: Known, relation: str) -> str:
    """The last steps: canonical texts and flags, then what is computed from them."""
    names = ENTITIES[source.entity].column_names
    texts = [f"{times[name].text} as {name}" if name in times else name for name in names]
    # in the columns' order, however each was read
    flags = [
        times[name].flag if name in times else f"f_{name}"
        for name in names
        if name in times or name in known.flags
    ]
    if "_snapshot_at" in times:
        texts.append(f"make_timestamp({times['_snapshot_at'].utc}) as _snapshot_at")
        # Without its time a snapshot cannot be placed in history, so an empty cell is flagged too.
        flags.append(times["_snapshot_at"].flag)
        flags.append("case when _snapshot_at_cell is null then '_snapshot_at:bad_timestamp' end")
    joined = f"nullif(concat_ws(' ', {', '.join(flags)}), '')" if flags else _NOTHING
    rows = (
        f"select {', '.join(texts)}, _attributes, _extra, _row_number, {joined} as _flags "
        f"from ({relation})"
    )
    filled = {*source.columns, *source.constants} | (
        {"_attributes"} if source.attributes else set()
    )
    computed = [f"{_content_hash((*names, '_attributes'), filled, known)} as _row_hash"]
    if "email" in names:
        email = "case when length(email) = strlen(email) then email else nfkc(email) end"
        email = f"lower(trim({email}, {_SPACES}))"
        email = "lower(email)" if "email" in known.plain else email
        rows = f"select *, {email} as _email from ({rows})"
        is_email = f"regexp_full_match(_email, {quoted(_EMAIL)})"
        computed.append(f"case when {is_email} then _email end as _email_key")
    return f"select *, {', '.join(computed)} from ({rows})"


def _content_hash(names: tuple[str, ...], filled: set[str], known: Known) -> str:
    """SQL of a hash of some columns by their place; only the ``filled`` ones are ever not NULL."""
    parts = [""]
    for name in names:
        if name in filled:
            parts += [name, ""]
        parts[-1] += MARK
    joined = ", ".join(quoted(part) if part[:1] in ("", MARK) else part for part in parts)
    if not known.has_marks:
        return f"md5(concat({joined}))"
    used = [name for name in names if name in filled]
    # Marks inside cells could make two rows look alike: the cells' lengths then tell them apart.
    marked = " or ".join(f"contains({name}, {quoted(MARK)})" for name in used)
    lengths = ", ".join(f"coalesce(strlen({n}), 0)" if n in filled else "0" for n in names)
    return f"md5(concat({joined}, case when {marked} then concat_ws(',', {lengths}) end))"


def _literal(instant: datetime | None) -> str:
    return "null::timestamp" if instant is None else f"timestamp '{instant:%Y-%m-%d %H:%M:%S.%f}'"
