"""Published tables as CSV files, Excel workbooks or JSON, for spreadsheets and other programs.

A text that a spreadsheet would take for a formula gets an apostrophe before it; numbers, days and
times stay what they are. JSON is for programs, and holds texts as they are. Rows are streamed: a
table of any size costs the same memory.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from orchestration.core.atomic_write import commit, temporary
from orchestration.core.duckdb_session import (
    known_cause,
    open_published,
    spill_settings,
    table_rows,
)
from orchestration.core.errors import UserError
from orchestration.core.files import reason_of
from orchestration.core.sql import identifier, literal
from orchestration.publish.folders import current_id, generation_folder
from orchestration.publish.generation import MARTS, PARTS, RESTRICTED, Part
from orchestration.workspace.model import Workspace
from orchestration.workspace.rules import did_you_mean

# What spreadsheets take for the begin of a formula, or skip before one: half-width and full-width.
_FORMULA = r"^[=+\-@\t\r\n＝＋－＠]"
# What XML cannot hold.
_NOT_XML = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x{fffe}\x{ffff}]"
# What a sheet holds: rows beside the header, characters in a cell, of its name.
_SHEET_ROWS, _CELL, _SHEET_NAME = 1_048_575, 32_767, 31
_NUMBERS = ("FLOAT", "DOUBLE")
_KEPT = (
    "BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER",
    "DATE", "TIMESTAMP",
)  # fmt: skip
_AT_ONCE = 8192


@dataclass(frozen=True)
class Job:
    """One export: the generation's folder, the format, and where files are made and belong.

    ``settings`` are statements for each connection, ``progress`` is called with a line a file.
    """

    source: Path
    form: str
    made: Path
    target: Path
    settings: Sequence[str]
    progress: Callable[[str], None]


@dataclass(frozen=True)
class Table:
    """A published table: of which file, its name, and its rows."""

    part: Part
    name: str
    rows: int


def export_tables(
    workspace: Workspace,
    names: Sequence[str],
    form: str,
    folder: Path | None = None,
    *,
    restricted: bool = False,
    progress: Callable[[str], None] = print,
) -> list[str]:
    """Write published tables into a folder, a file each; a file there is replaced as a whole.

    Args:
        workspace: whose published generation is exported.
        names: of the tables; none: all of them.
        form: ``csv``, ``json`` or ``xlsx``.
        folder: where to; None: ``exports`` in the workspace's folder.
        restricted: whether tables with personal data may leave, in files for their owner alone.
        progress: called with a line about each written file.

    Returns:
        A line about each table that a sheet cannot hold, and each text that was cut for a cell.

    Raises:
        UserError: nothing is published yet, there is no such table, or the folder is not writable.
    """
    generation = current_id(workspace.published)
    if generation is None:
        raise UserError(f"{workspace.published}: nothing is published yet; run `nps run` first")
    source = generation_folder(workspace.published, generation)
    target = _checked_folder(workspace, folder)
    tables = _chosen(_tables(source), names, restricted=restricted)
    notes = []
    try:
        target.mkdir(parents=True, exist_ok=True)
        made = temporary(target)
        made.mkdir(mode=0o700)
        try:
            settings = spill_settings(made, workspace.memory_limit)
            job = Job(source, form, made, target, settings, progress)
            for table in tables:
                note = _write(job, table)
                notes += [note] if note else []
        finally:
            shutil.rmtree(made, ignore_errors=True)
    except OSError as error:
        raise UserError(f"{target}: {reason_of(error)}") from None
    return notes


def _checked_folder(workspace: Workspace, folder: Path | None) -> Path:
    """The folder to write to: none that a run reads or owns."""
    target = (folder or workspace.root / "exports").expanduser().absolute()
    owned = (workspace.landing, workspace.lake, workspace.warehouse_dir, workspace.published)
    for each in (*owned, workspace.runs):
        if target.resolve().is_relative_to(each.resolve()):
            raise UserError(f"{target}: is in {each.name}/, which runs own; choose another folder")
    return target


def _tables(source: Path) -> dict[str, Table]:
    """All published tables by name."""
    found = {}
    for part in PARTS:
        with open_published(source / part.file_name) as connection:
            for name, rows in table_rows(connection, "published", part.schema).items():
                if not name.startswith("_"):
                    found[name] = Table(part, name, rows)
    return found


def _chosen(known: dict[str, Table], names: Sequence[str], *, restricted: bool) -> list[Table]:
    """The wanted tables; without names those of the marts, and restricted ones where asked for."""
    wanted = [name.removeprefix("marts.").removeprefix("restricted.") for name in names]
    lines = []
    for name in wanted:
        if name not in known:
            hint = did_you_mean(name, known) or f"; there are: {', '.join(sorted(known))}"
            lines.append(f"{name}: no such table is published{hint}")
        elif known[name].part is RESTRICTED and not restricted:
            lines.append(f"{name}: is restricted, as it holds personal data; add --restricted")
    if lines:
        raise UserError("\n".join(lines))
    if wanted:
        return [known[name] for name in dict.fromkeys(wanted)]
    parts = PARTS if restricted else (MARTS,)
    return [table for _, table in sorted(known.items()) if table.part in parts]


def _write(job: Job, table: Table) -> str | None:
    """Write one table; returns what there is to say of it."""
    if job.form == "xlsx" and table.rows > _SHEET_ROWS:
        return (
            f"{table.name}: not written: it has {table.rows:,} rows, and a sheet holds "
            f"{_SHEET_ROWS:,}; export it as CSV"
        )
    path = job.made / f"{table.name}.{job.form}"
    cut = 0
    # not as readers open it: they may not write files
    with duckdb.connect() as connection:
        # rows come in the published order; DuckDB would draw a bar among the lines
        for setting in (
            *job.settings,
            "set preserve_insertion_order = true",
            "set enable_progress_bar = false",
        ):
            connection.execute(setting)
        file = literal(job.source / table.part.file_name)
        connection.execute(f"attach {file} as published (read_only)")
        connection.execute("use published")
        kinds = _columns(connection, table)
        try:
            if job.form == "csv":
                _write_csv(connection, table, kinds, path)
            elif job.form == "json":
                _write_json(connection, table, kinds, path)
            else:
                cut = _write_xlsx(connection, table, kinds, path)
        except duckdb.Error as error:
            cause = known_cause(str(error))
            if cause is None:
                raise
            raise UserError(f"{table.name}: {cause}") from None
    path.chmod(0o600 if table.part is RESTRICTED else 0o666 & ~_umask())
    commit(path, job.target / path.name)
    job.progress(f"{job.target / path.name}: {table.rows:,} rows")
    if cut:
        return f"{table.name}: {cut:,} texts were cut, as a cell holds {_CELL:,} characters"
    return None


def _umask() -> int:
    """The bits that this process's files lack."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _columns(connection: duckdb.DuckDBPyConnection, table: Table) -> dict[str, str]:
    """The type of every column by its name, in the table's order."""
    described = connection.execute(f"describe {_relation(table)}").fetchall()
    return {name: kind for name, kind, *_ in described}


def _relation(table: Table) -> str:
    return f"{identifier(table.part.schema)}.{identifier(table.name)}"


def _cell(name: str, kind: str) -> str:
    """SQL of a column's cells: texts that are no formulas, numbers and times as they are."""
    column = identifier(name)
    if kind in _KEPT or kind in _NUMBERS or kind.startswith("DECIMAL"):
        return column
    text = column if kind == "VARCHAR" else f"cast({column} as varchar)"
    is_formula = f"regexp_matches({text}, {literal(_FORMULA)})"
    return f"case when {is_formula} then '''' || {text} else {text} end"


def _write_csv(
    connection: duckdb.DuckDBPyConnection, table: Table, kinds: dict[str, str], path: Path
) -> None:
    """Write a table as CSV: UTF-8, commas, a header; an empty cell is NULL, `""` an empty text."""
    columns = ", ".join(
        f"{_cell(name, kind)} as {identifier(name)}" for name, kind in kinds.items()
    )
    connection.execute(
        f"copy (select {columns} from {_relation(table)}) to {literal(path)} "
        "(format csv, header true)"
    )


def _write_json(
    connection: duckdb.DuckDBPyConnection, table: Table, kinds: dict[str, str], path: Path
) -> None:
    """Write a table as one JSON array of objects; times are UTC in ISO 8601."""
    cells = []
    for name, kind in kinds.items():
        column = cell = identifier(name)
        if kind == "TIMESTAMP":
            cell = f"strftime({column}, '%Y-%m-%dT%H:%M:%S.%fZ')"
        elif kind in _NUMBERS:
            # JSON has no infinity
            cell = f"case when isfinite({column}) then {column} end"
        cells.append(f"{cell} as {column}")
    connection.execute(
        f"copy (select {', '.join(cells)} from {_relation(table)}) to {literal(path)} "
        "(format json, array true)"
    )


def _write_xlsx(
    connection: duckdb.DuckDBPyConnection, table: Table, kinds: dict[str, str], path: Path
) -> int:
    """Write a table as a workbook of one sheet; returns how many texts were cut."""
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    sheet = book.create_sheet(table.name[:_SHEET_NAME])
    sheet.freeze_panes = "A2"
    sheet.append(list(kinds))
    cut = 0
    for row in _rows(connection, table, kinds):
        *cells, longer = row
        cut += longer
        sheet.append(cells)
    book.save(path)
    return cut


def _rows(
    connection: duckdb.DuckDBPyConnection, table: Table, kinds: dict[str, str]
) -> Iterable[tuple[Any, ...]]:
    """The rows as a workbook may hold them; the last cell counts the texts that were cut."""
    cells, longer = [], ["0"]
    for name, kind in kinds.items():
        cell = _cell(name, kind)
        if kind in _NUMBERS:
            # a workbook has no infinity
            cell = f"case when isfinite({cell}) then {cell} end"
        elif cell != identifier(name):
            text = f"regexp_replace({cell}, {literal(_NOT_XML)}, '\ufffd', 'g')"
            longer.append(f"coalesce(length({text}) > {_CELL}, false)::int")
            cell = f"left({text}, {_CELL})"
        cells.append(cell)
    query = f"select {', '.join(cells)}, {' + '.join(longer)} from {_relation(table)}"
    for batch in connection.execute(query).to_arrow_reader(_AT_ONCE):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)
