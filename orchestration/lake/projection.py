"""Build the SQL that makes canonical rows of delivered ones, from a source's declared mapping.

``build_projection`` builds one SELECT over the relation that the reader opened. Text of a user or a
file enters it only as a quoted literal: column names are looked up in the header and become
``c0``, ``c1``, …
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from orchestration.core.sql import literal
from orchestration.lake.columns import MARK, mapped_columns, snapshot_kind
from orchestration.lake.excluded import EXCLUDED, excluded_condition, unwanted_condition
from orchestration.lake.rows import Rows
from orchestration.lake.times import Timed, timed
from orchestration.lake.values import (
    EMAIL,
    address_folded,
    comparable,
    meant,
    normalised,
    split,
    trimmed,
    without_null_values,
)
from orchestration.workspace.entities import ENTITIES, Column
from orchestration.workspace.excluded import excluded_values
from orchestration.workspace.model import Source, Workspace

# Part of every mapping version: raise it when the same bytes are to be read differently.
READER_VERSION = "3"
# The same of single entities, of those whose columns became more.
ENTITY_VERSIONS = {"follow_ups": "2"}


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
    # keys that change nothing where they are not used leave the version as it was
    later: dict[str, Any] = {
        "only": source.only,
        "except": source.except_,
        "exclude": excluded_values(workspace.root, source),
        "values": source.values,
        "null_values": source.null_values,
        "split": source.split,
        "answers": [answer.model_dump(exclude_none=True) for answer in source.answers],
        "normalise": source.normalise,
        "churned": source.churned and source.churned.model_dump(),
        "entity": ENTITY_VERSIONS.get(source.entity),
    }
    content |= {key: value for key, value in later.items() if value}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


_NULL_TEXT = "null::varchar"


def _joined(parts: list[str]) -> str:
    """The text of one canonical column: its cell, or several joined; NULL when all are empty."""
    if len(parts) == 1:
        return f"nullif({parts[0]}, '')"
    joined = " || '|' || ".join(f"coalesce({part}, '')" for part in parts)
    return f"case when {joined} <> '{'|' * (len(parts) - 1)}' then {joined} end"


@dataclass(frozen=True)
class Delivery:
    """The facts of a delivered file, the same for all of its rows.

    ``snapshot_at`` is None when a column has it; all times are naive and in UTC.
    """

    file_sha256: str
    file_name: str
    ingested_at: datetime
    snapshot_at: datetime | None
    version: str


# What is computed never depends on the file as a whole.
_NO_DELIVERY = Delivery("", "", datetime(1970, 1, 1), datetime(1970, 1, 1), "")


@dataclass(frozen=True)
class Known:
    """Facts about all texts of a relation, which spare the SQL a check of each.

    Attributes:
        times: canonical columns whose canonical texts the relation has, as ``t_<column>``.
        flags: those of them whose flags it has, as ``f_<column>``; the others have none.
        has_marks: whether a cell may hold the character that separates cells while hashing.
        has_addresses: whether the relation has the e-mails' comparable form, as ``k_email``.
    """

    times: frozenset[str] = frozenset()
    flags: frozenset[str] = frozenset()
    has_marks: bool = True
    has_addresses: bool = False


@dataclass(frozen=True)
class Projection:
    """The SQL over a relation of delivered rows.

    Attributes:
        kept: the lake's columns that are columns of the relation just as they are, by name.
        constants: the lake's columns that all rows of a file have in common; None: they are NULL.
        computed: of the lake's columns the others, in their order; None if there is none.
        naive: for each time column whether any row named no zone; None if there is no such column.
        times: the time columns that ``naive`` speaks of.
    """

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
    opened: Rows,
    relation: str,
    known: Known | None = None,
) -> Projection:
    """Build the SQL of a source's canonical rows.

    Args:
        workspace: for the zone.
        source: the mapping.
        opened: a file, for its columns.
        relation: what to select from: it has the cells' columns and ``_row_number``.
        known: facts about its texts; None: none.
    """
    entity, known = ENTITIES[source.entity], known or Known()
    delivered = _delivered(source, opened)
    times = _timed_columns(workspace.timezone_of(source), source, known)
    columns = _cell_columns(source, delivered, known)
    steps = [f"select _row_number, {', '.join(columns)} from {relation}"]
    for depth in range(max((len(each.layers) for each in times.values()), default=0)):
        added = [
            sql
            for each in times.values()
            for layer in each.layers[depth : depth + 1]
            for sql in layer
        ]
        steps.append(f"select *, {', '.join(added)} from ({steps[-1]})")
    naive = [f"bool_or({each.naive})" for each in times.values()]
    excluded = excluded_condition(workspace, source)
    rows = _lake_rows(source, times, known, steps[-1], excluded)
    constants = shared(source, _NO_DELIVERY)
    if delivered.extra == _NULL_TEXT:
        constants["_extra"] = None
    if "_snapshot_at" in times:
        del constants["_snapshot_at"]
    if not times and not known.flags and not source.excludes_rows:
        constants["_flags"] = None
    kept = _kept_columns(source, delivered, known, constants)
    order = [name for name, _ in lake_columns(entity.name)]
    computed = [name for name in order if name not in constants and name not in kept]
    return Projection(
        kept=kept,
        constants=constants,
        computed=f"select {', '.join(computed)} from ({rows})" if computed else None,
        naive=f"select {', '.join(naive)} from ({steps[2]})" if naive else None,
        times=tuple(times),
    )


@dataclass(frozen=True)
class _Delivered:
    """The SQL of what was delivered: a declared column's cell, and the unmapped rest."""

    cell: Callable[[str], str]
    extra: str


def _delivered(source: Source, opened: Rows) -> _Delivered:
    """The SQL of the cells of a delivered table, or of documents."""
    at, mapped = opened.at, {opened.at[name] for name in mapped_columns(source)}
    extra = {
        name.strip() or f"column {place + 1}": f"nullif({cell}, '')"
        for place, (name, cell) in enumerate(zip(opened.names, opened.cells, strict=True))
        if place not in mapped
    }
    # cells that are columns as they are were rid of null values before
    read = [cell if cell.isalnum() else without_null_values(source, cell) for cell in opened.cells]
    return _Delivered(lambda name: read[at[name]], "extra" if opened.is_json else _object(extra))


def _cell_columns(source: Source, delivered: _Delivered, known: Known) -> list[str]:
    """The select list of the first step: canonical columns as texts, attributes and the rest."""
    cell, entity = delivered.cell, ENTITIES[source.entity]
    sources = {column.name: _source_of(column, source, cell) for column in entity.columns}
    sources |= {name: f"t_{name}" for name in known.times}
    columns = [f"{sql} as {name}" for name, sql in sources.items()]
    columns += [f"f_{name}" for name in sorted(known.flags)]
    attributes = {
        name: split(source, name, meant(source, name, _joined([cell(each) for each in parts])))
        for name, parts in source.attributes.items()
    }
    columns += [f"{_object(attributes)} as _attributes", f"{delivered.extra} as _extra"]
    if snapshot_kind(source) == "column":
        columns.append(f"{_joined([cell(source.snapshot_at)])} as _snapshot_at_cell")
    if source.only or source.except_:
        columns.append(f"{unwanted_condition(source, cell)} as _is_unwanted")
    return columns


def _timed_columns(zone: str, source: Source, known: Known) -> dict[str, Timed]:
    """The SQL of each mapped time column whose canonical texts are not known yet."""
    times = {
        column.name: timed(
            column.name,
            column.name,
            source.formats_of(column.name),
            zone,
            is_date=column.kind == "date",
        )
        for column in ENTITIES[source.entity].columns
        if column.kind != "text" and column.name in source.mapped and column.name not in known.times
    }
    if snapshot_kind(source) == "column":
        formats = source.formats_of("snapshot_at")
        times["_snapshot_at"] = timed(
            "_snapshot_at", "_snapshot_at_cell", formats, zone, is_date=False
        )
    return times


def _kept_columns(
    source: Source, delivered: _Delivered, known: Known, constants: Collection[str]
) -> dict[str, str]:
    """The lake's columns that are columns of a delivered table: these need no SQL."""
    cells = {
        name: delivered.cell(parts[0])
        for name, parts in source.columns.items()
        if len(parts) == 1
        and name not in source.read_otherwise
        and not _is_of_an_answer(source, name)
    }
    kept = {"_row_number": "_row_number"} | {name: f"t_{name}" for name in known.times}
    kept |= {"_extra": delivered.extra} if delivered.extra.isalnum() else {}
    kept |= {"_email_key": "k_email"} if known.has_addresses else {}
    return kept | {
        column.name: cells[column.name]
        for column in ENTITIES[source.entity].columns
        if column.kind == "text"
        and column.name not in constants
        and cells.get(column.name, "").isalnum()
    }


def shared(source: Source, delivery: Delivery) -> dict[str, str | datetime | None]:
    """The lake's columns that all rows of a file have in common, whatever their texts are."""
    entity, given = ENTITIES[source.entity], source.mapped
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


def _source_of(column: Column, source: Source, cell: Callable[[str], str]) -> str:
    if column.name in source.constants:
        return literal(source.constants[column.name])
    if column.name in source.columns:
        cells = [cell(name) for name in source.columns[column.name]]
        if column.is_id:
            # columns as they are were trimmed and folded before
            cells = [each if each.isalnum() else _id_cell(column, each) for each in cells]
            cells = [normalised(source, column.name, each) for each in cells]
        text = meant(source, column.name, _joined(cells))
        # NULL stays NULL: an answer without an id has none
        return (
            f"{text} || {literal(f'|{source.answer}')}"
            if _is_of_an_answer(source, column.name)
            else text
        )
    if column.name == "is_churned" and source.churned:
        text = f"lower(trim({cell(source.churned.column)}))"
        listed = ", ".join(sorted(literal(v.strip().lower()) for v in source.churned.values))
        return f"case when {text} in ({listed}) then 'yes' when {text} <> '' then 'no' end"
    return _NULL_TEXT


def _is_of_an_answer(source: Source, column: str) -> bool:
    """Whether a column is the id of a row that holds several answers."""
    return source.answer is not None and column == ENTITIES[source.entity].column_names[0]


def _id_cell(column: Column, cell: str) -> str:
    return address_folded(trimmed(cell)) if column.is_customer_id else trimmed(cell)


def _object(members: Mapping[str, str]) -> str:
    if not members:
        return _NULL_TEXT
    pairs = ", ".join(f"{literal(name)}, {sql}" for name, sql in members.items())
    return f"json_object({pairs})::varchar"


def _lake_rows(
    source: Source, times: Mapping[str, Timed], known: Known, relation: str, excluded: str
) -> str:
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
    joined = f"nullif(concat_ws(' ', {', '.join(flags)}), '')" if flags else _NULL_TEXT
    is_left_out = "_is_unwanted" if source.only or source.except_ else "false"
    rows = (
        f"select {', '.join(texts)}, _attributes, _extra, _row_number, {joined} as _noted, "
        f"{is_left_out} as _is_unwanted from ({relation})"
    )
    filled = {*source.mapped, *(("_attributes",) if source.attributes else ())}
    content = _content_hash((*names, "_attributes"), filled, known, source.answer)
    computed = [f"{content} as _row_hash"]
    if "email" in names:
        rows = f"select *, {comparable('email')} as _email from ({rows})"
        if not known.has_addresses:
            is_email = f"regexp_full_match(_email, {literal(EMAIL)})"
            computed.append(f"case when {is_email} then _email end as _email_key")
    flags_of_row = "_noted"
    if source.excludes_rows:
        marked = f"concat_ws(' ', _noted, {literal(EXCLUDED)})"
        flags_of_row = f"case when _is_unwanted or {excluded} then {marked} else _noted end"
    computed.append(f"{flags_of_row} as _flags")
    return f"select *, {', '.join(computed)} from ({rows})"


def _content_hash(
    names: tuple[str, ...], filled: set[str], known: Known, answer: str | None
) -> str:
    """SQL of a hash of some columns by their place; only the ``filled`` ones are ever not NULL.

    The name of one of several answers in a row is hashed, too: no two of them have one hash.
    """
    parts = ["" if answer is None else MARK + answer + MARK]
    for name in names:
        if name in filled:
            parts += [name, ""]
        parts[-1] += MARK
    joined = ", ".join(literal(part) if part[:1] in ("", MARK) else part for part in parts)
    if not known.has_marks:
        return f"md5(concat({joined}))"
    used = [name for name in names if name in filled]
    # Marks inside cells could give two rows one text: the cells' lengths then make them differ.
    marked = " or ".join(f"contains({name}, {literal(MARK)})" for name in used)
    lengths = ", ".join(f"coalesce(strlen({n}), 0)" if n in filled else "0" for n in names)
    return f"md5(concat({joined}, case when {marked} then concat_ws(',', {lengths}) end))"
