"""What a check found of one source, read from the tables that a run would build first."""

from __future__ import annotations

import csv
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import duckdb

from expectations import query_on
from expectations.suites.raw import raw_suites
from orchestration.core.sql import literal
from orchestration.lake.columns import wanted_columns
from orchestration.lake.names import printable
from orchestration.lake.session import IngestResult
from orchestration.preview.excerpt import Excerpt, header_of
from orchestration.preview.formats import fitting_formats
from orchestration.preview.matches import Match, matches_of
from orchestration.workspace.current import PROJECT_DIR
from orchestration.workspace.entities import ENTITIES
from orchestration.workspace.model import Source, Workspace
from orchestration.workspace.segments import PERSONAL_NAME

# The values of these are never shown.
_PERSONAL = {"email", "name", "comment", "owner"}
_SHOWN_VALUES, _LOOKED_AT, _EXAMPLES = 3, 500, 5
_MOST_TEXTS = 100_000


@dataclass(frozen=True)
class MappedColumn:
    """A canonical column or an attribute, and what became of it.

    Attributes:
        name: the canonical column, or the attribute.
        delivered: the delivered columns that it is made of; of a constant its value.
        is_constant: whether workspace.yml says it of all rows.
        filled: how many rows have a value that can be read; None: not counted.
        values: the first ones after conversion; None: it is personal.
        is_empty: whether no row has even a text.
    """

    name: str
    delivered: str
    is_constant: bool = False
    filled: int | None = None
    values: tuple[str, ...] | None = ()
    is_empty: bool = False


@dataclass(frozen=True)
class Refused:
    """Rows that are refused for one reason.

    Attributes:
        reason: its code in the seed ``reject_reasons``.
        rows: how many.
        places: of the first ones the file and the row, as a spreadsheet counts them.
        columns: the time columns that it speaks of.
    """

    reason: str
    rows: int
    places: tuple[tuple[str, int], ...]
    columns: tuple[str, ...] = ()


@dataclass
class Findings:
    """What a check found of one source.

    Attributes:
        source: the entry of workspace.yml.
        excerpt: which files were read.
        result: what ingest says of them.
        statuses: rows by what became of them; ``quarantined`` includes those that are no rows.
        columns: the mapped columns.
        unmapped: the delivered columns that nothing is made of.
        header: the columns of a file that lacks some that are mapped.
        refused: the refused rows by reason, most first.
        unreadable: time and score columns of which no value can be read; each with the formats
            that would fit all of its values. A run stops at them.
        matches: how many ids are known where they are looked for.
        scores: of each metric how many answers count, the score with each of them counted, and
            the classes with their answers, the best class first.
    """

    source: Source
    excerpt: Excerpt
    result: IngestResult
    statuses: dict[str, int] = field(default_factory=dict)
    columns: list[MappedColumn] = field(default_factory=list)
    unmapped: list[str] = field(default_factory=list)
    header: tuple[str, ...] = ()
    refused: list[Refused] = field(default_factory=list)
    unreadable: dict[str, list[str]] = field(default_factory=dict)
    matches: list[Match] = field(default_factory=list)
    scores: list[tuple[Any, ...]] = field(default_factory=list)

    @property
    def is_bad(self) -> bool:
        """Whether a run would stop at the source, or publish nothing of it."""
        counted = self.statuses.keys() - {"quarantined"}
        problems = [*self.excerpt.problems, *self.result.problems]
        return bool(self.unreadable or problems or (self.excerpt.found and not counted))


def _shown(source: Source, name: str, zone: str) -> str:
    """SQL of a canonical column as a person reads it: times in the business zone."""
    if name in ("score", "is_deleted"):
        return f"staged.{name}"
    kind = next(c.kind for c in ENTITIES[source.entity].columns if c.name == name)
    if kind == "text":
        return f"raw.{name}"
    local = f"timezone({literal(zone)}, try_cast(raw.{name} as timestamptz))"
    text = f"strftime({local}, '%Y-%m-%d %H:%M:%S')"
    # a day, and a minute, without the zeros behind it
    text = f"regexp_replace({text}, '( 00:00)?:00$', '')" if kind == "timestamp" else f"raw.{name}"
    return f"case when coalesce(raw._flags, '') not like '%{name}:bad%' then {text} end"


def gather(
    connection: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    source: Source,
    excerpt: Excerpt,
    result: IngestResult,
) -> Findings:
    """What the build says of a source's rows.

    Args:
        connection: on the build of the scratch workspace, with its lake as schema ``raw``.
        workspace: the scratch workspace.
        source: one of its sources.
        excerpt: which files were read.
        result: what ingest says of them.
    """
    found = Findings(source, excerpt, result)
    lacking = (each for each in result.problems if each.reason == "missing_column")
    if problem := next(lacking, None):
        found.header = header_of(workspace, source, problem.file_name)
    _judged(connection, found)
    _columns(connection, found, workspace.timezone)
    found.unreadable = _unreadable(connection, source)
    found.matches = matches_of(connection, workspace, source)
    if source.entity == "survey_responses":
        found.scores = _scores(connection, source)
    return found


def _rows(connection: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[Any, ...]]:
    return connection.execute(sql).fetchall()


def _of(source: Source, prefix: str = "") -> str:
    """The condition that a row is of a source."""
    return f"{prefix}source = {literal(source.name)}"


def _judged(connection: duckdb.DuckDBPyConnection, found: Findings) -> None:
    """Count the rows by what became of them, and list the refused ones."""
    source = found.source
    table, raw = f"intermediate.int_{source.entity}_versioned", f"raw.{source.entity}"
    statuses: dict[str, int] = defaultdict(int)
    rows: dict[str, int] = defaultdict(int)
    places: dict[str, list[tuple[str, int]]] = defaultdict(list)
    counted = _rows(
        connection,
        f"select row_status, reject_reason, count(*) from {table} where {_of(source)} group by all",
    )
    for status, reason, count in counted:
        statuses[status] += count
        if status == "quarantined":
            rows[reason] += count
    named = [
        f"select judged.reject_reason as reason, raw._file_name as name, raw._row_number as place "
        f"from {table} as judged inner join {raw} as raw on judged.source = raw._source "
        "and judged.file_sha256 = raw._file_sha256 and judged.row_number = raw._row_number "
        "and judged.row_hash = cast(raw._row_hash as uuid) "
        f"where judged.row_status = 'quarantined' and {_of(source, 'judged.')}",
        "select reason, _file_name as name, _row_number as place from raw.rejected_rows "
        f"where {_of(source, '_')} and _entity = {literal(source.entity)}",
    ]
    for reason, count in _rows(
        connection, f"select reason, count(*) from ({named[1]}) group by all"
    ):
        statuses["quarantined"] += count
        rows[reason] += count
    examples = _rows(
        connection,
        f"select reason, name, place from ({' union all '.join(named)}) qualify row_number() over "
        f"(partition by reason order by name, place) <= {_EXAMPLES} order by name, place",
    )
    for reason, name, place in examples:
        places[reason].append((printable(name), place))
    flagged = _rows(
        connection,
        "select distinct unnest(string_split(_flags, ' ')) "
        f"from {raw} where {_of(source, '_')} and _flags is not null order by 1",
    )
    found.statuses = {status: count for status, count in statuses.items() if count}
    found.refused = [
        Refused(
            reason,
            count,
            tuple(places[reason]),
            tuple(flag.split(":")[0] for (flag,) in flagged if flag.endswith(f":{reason}")),
        )
        for reason, count in sorted(rows.items(), key=lambda pair: (-pair[1], pair[0]))
    ]


def _columns(connection: duckdb.DuckDBPyConnection, found: Findings, zone: str) -> None:
    """List the mapped columns with their first values after conversion, and the unmapped ones."""
    source, entity = found.source, ENTITIES[found.source.entity]
    origins = _origins(source, "columns")
    mapped = [name for name in entity.column_names if name in origins]
    shown = {name: _shown(source, name, zone) for name in mapped}
    rows = f"""
        from raw.{source.entity} as raw
        inner join staging.stg_{source.entity} as staged
            on staged.source = raw._source and staged.file_sha256 = raw._file_sha256
            and staged.row_number = raw._row_number and staged.row_hash = raw._row_hash
        where {_of(source, "raw._")}"""
    cells = ["raw._attributes", *shown.values()]
    first = _rows(
        connection,
        f"select {', '.join(cells)} {rows} "
        f"order by raw._file_name, raw._row_number limit {_LOOKED_AT}",
    )
    delivered = [f"raw.{name}" for name in mapped]
    (counts,) = _rows(
        connection, f"select {', '.join(f'count({c})' for c in [*cells, *delivered])} {rows}"
    )
    for place, name in enumerate(mapped, start=1):
        values = None if is_personal(source, name) else _first_values(row[place] for row in first)
        if values == () and counts[place]:  # far below the first rows
            cell = shown[name]
            more = f"select distinct {cell} {rows} and {cell} is not null order by 1 limit 3"
            values = _first_values(text for (text,) in _rows(connection, more))
        is_empty = not counts[len(mapped) + place]
        column = MappedColumn(name, origins[name], False, counts[place], values, is_empty=is_empty)
        found.columns.append(column)
    attributes = [json.loads(row[0]) for row in first if row[0]]
    for name, parts in source.attributes.items():
        texts = [row.get(name) for row in attributes]
        values = None if re.fullmatch(PERSONAL_NAME, name.lower()) else _first_values(texts)
        found.columns.append(MappedColumn(name, " + ".join(parts), False, None, values))
    found.columns += [
        MappedColumn(name, value, is_constant=True)
        for name, value in _origins(source, "constants").items()
    ]
    extra = _rows(
        connection,
        f"select _extra from raw.{source.entity} where {_of(source, '_')} "
        f"and _extra is not null limit {_LOOKED_AT}",
    )
    wanted = {name.strip().casefold() for name in wanted_columns(source)}
    wanted |= {name.split(".")[0].split("[")[0] for name in wanted}  # members of JSON objects
    names = dict.fromkeys(name for (text,) in extra for name in json.loads(text))
    found.unmapped = [name for name in names if name.casefold() not in wanted]


def _origins(source: Source, key: str) -> dict[str, str]:
    """What each canonical column is made of; of several answers in a row each one's own."""
    found: dict[str, dict[str, None]] = {}
    for part in source.parts:
        for name, origin in getattr(part, key).items():
            text = origin if isinstance(origin, str) else " + ".join(origin)
            found.setdefault(name, {})[text] = None
    return {name: ", ".join(texts) for name, texts in found.items()}


def is_personal(source: Source, column: str) -> bool:
    """Whether a canonical column says who somebody is, or what they wrote."""
    return column in _PERSONAL and source.entity != "surveys"


def _first_values(cells: Iterable[Any]) -> tuple[str, ...]:
    """The first distinct values; of one with an at sign that it is an address."""
    found: dict[str, None] = {}
    for cell in cells:
        if cell is not None:
            text = str(cell).lower() if isinstance(cell, bool) else str(cell)
            found.setdefault("(e-mail address)" if "@" in text or "＠" in text else text)
        if len(found) == _SHOWN_VALUES:
            break
    return tuple(found)


@cache
def _readable_checks() -> Mapping[str, Any]:
    """The check of each entity at which a run stops, by the entity's name."""
    return {
        name: check
        for name, checks in raw_suites(ENTITIES).items()
        for check in checks
        if check.name == "readable"
    }


def _unreadable(connection: duckdb.DuckDBPyConnection, source: Source) -> dict[str, list[str]]:
    """The time and score columns of which no value can be read, with the formats that fit all."""
    check = _readable_checks().get(source.entity)
    if check is None:
        return {}
    rows = f"(select * from raw.{source.entity} where {_of(source, '_')})"
    found = {}
    for _, column, *_ in _rows(connection, query_on(check, rows)):
        texts = _rows(
            connection,
            f"select distinct {column} from {rows} where {column} is not null limit {_MOST_TEXTS}",
        )
        is_time = column in ENTITIES[source.entity].times
        found[column] = (
            fitting_formats(connection, [text for (text,) in texts], numbers=True)
            if is_time
            else []
        )
    return found


def _scores(connection: duckdb.DuckDBPyConnection, source: Source) -> list[tuple[Any, ...]]:
    """Counted answers, the mean contribution and the classes, by metric."""
    metric = literal(source.constants.get("metric", "score"))
    rows = _rows(
        connection,
        f"select coalesce(answers.metric, surveys.metric, {metric}), answers.nps_class, "
        "answers.contribution, count(*) "
        "from intermediate.int_survey_responses_versioned as answers "
        "left join intermediate.int_surveys_versioned as surveys "
        "on answers.survey_key = surveys.survey_key and surveys.row_status = 'accepted' "
        f"where {_of(source, 'answers.')} and answers.row_status = 'accepted' "
        "and answers.nps_class is not null group by all order by 1, 3 desc",
    )
    found = []
    for name in dict.fromkeys(row[0] for row in rows):
        classes = [row[1:] for row in rows if row[0] == name]
        answers = sum(count for *_, count in classes)
        mean = sum(points * count for _, points, count in classes) / answers
        found.append((name, answers, mean, [(each, count) for each, _, count in classes]))
    return found


@cache
def reject_reasons() -> dict[str, dict[str, str]]:
    """The seed ``reject_reasons``: description, fix and whether it is a mistake, by code."""
    path = PROJECT_DIR / "seeds" / "reject_reasons.csv"
    with path.open(encoding="utf-8", newline="") as stream:
        return {row["reason"]: row for row in csv.DictReader(stream)}
