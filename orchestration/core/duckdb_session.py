"""DuckDB sessions: settings, questions about files and tables, and messages safe to print."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.core.errors import UserError
from orchestration.core.files import DISK_FULL, wal_file
from orchestration.core.sql import identifier, literal, qualified

if TYPE_CHECKING:
    import duckdb

# The first line of these DuckDB errors names tables and columns, never the value of a cell.
_NAMING_ERRORS = ("Binder", "Catalog", "Parser")
_OTHER_ERRORS = (
    "Constraint|Conversion|Fatal|FATAL|HTTP|Internal|INTERNAL|INTERRUPT|Invalid Input|Invalid Type|"
    "IO|Mismatch Type|Not implemented|Out of Memory|Out of Range|Permission|Serialization|"
    "TransactionContext"
)
_DUCKDB_ERROR = re.compile(rf"\b({'|'.join(_NAMING_ERRORS)}|{_OTHER_ERRORS}) Error: ([^\n]*)")


# As the system, DuckDB and SQLite (Dagster's history) say it.
NO_SPACE = (
    "No space left on device",
    "Disk quota exceeded",
    "max_temp_directory_size",
    "database or disk is full",
)
_HELD = re.compile(
    r'Could not set lock on file "(?P<file>[^"]+)"(?:.*?\(PID (?P<pid>\d+)\))?', re.DOTALL
)
_PARQUET = re.compile(r"['\"](?P<file>[^'\"]+\.parquet)['\"]")
_FOLDERS = ("lake", "warehouse", "published")
_DAMAGE = ("magic bytes", "too small to be a Parquet", "Thrift", "TProtocol", "ecompress")


def spill_settings(temporary: Path, memory_limit: str | None = None) -> list[str]:
    """Statements that set a connection's spill folder and memory limit, and free the row order.

    Keeping the insertion order costs memory, and no reader needs it.

    Args:
        temporary: the folder to spill to; DuckDB's default is beside the database file, or the
            current folder for a database in memory.
        memory_limit: an amount in DuckDB's notation, such as ``8GB``; None keeps DuckDB's default.
    """
    settings = [
        f"set temp_directory = {literal(temporary)}",
        "set preserve_insertion_order = false",
    ]
    return settings + ([f"set memory_limit = {literal(memory_limit)}"] if memory_limit else [])


@contextmanager
def open_published(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a published file as readers should: read-only, and unable to touch other files.

    Attached to a fresh in-memory database rather than connected to: DuckDB shares one instance
    of a path within a process, so a connection forgotten elsewhere would answer with the
    generation before. Tables are named `<schema>.<table>`.

    Raises:
        duckdb.Error: the file is missing or is not a readable DuckDB file.
    """
    import duckdb

    with duckdb.connect() as connection:
        connection.execute(f"attach {literal(path)} as published (read_only)")
        connection.execute("use published")
        connection.execute("set enable_external_access = false")
        connection.execute("set lock_configuration = true")
        yield connection


def one_row(result: duckdb.DuckDBPyConnection) -> tuple[Any, ...]:
    """The first row of a result.

    Raises:
        duckdb.InvalidInputException: there is none.
    """
    row = result.fetchone()
    if row is None:
        import duckdb

        raise duckdb.InvalidInputException("no row where one is needed")
    return row


def table_rows(
    connection: duckdb.DuckDBPyConnection,
    database: str,
    schema: str,
    where: Mapping[str, str] | None = None,
) -> dict[str, int]:
    """Rows of every table of a schema by name; without a condition DuckDB knows them by row group.

    Args:
        connection: a connection to which the database is attached.
        database: its name.
        schema: a schema of it.
        where: by `<schema>.<table>`, a SQL condition on the rows to count; of other tables all.
    """
    names = connection.execute(
        f"select table_name from duckdb_tables() where database_name = {literal(database)} "
        f"and schema_name = {literal(schema)} order by table_name"
    ).fetchall()
    counts = " union all ".join(
        f"select {literal(name)}, count(*) from {qualified(database, schema, name)} "
        f"where {(where or {}).get(f'{schema}.{name}', 'true')}"
        for (name,) in names
    )
    return dict(connection.execute(counts).fetchall()) if names else {}


def write_parquet(
    connection: duckdb.DuckDBPyConnection, table: str, path: Path, metadata: Mapping[str, str]
) -> None:
    """Write a table to a Parquet file with key-value metadata.

    Its keys become text: Spark and pandas read a UUID of Parquet as sixteen bytes.
    """
    # zstd at its lowest level takes two thirds of the time of the usual one, and 8 % more room;
    # building dictionaries of keys, which never repeat, would take a quarter more
    pairs = ", ".join(f"{name}: {literal(value)}" for name, value in metadata.items())
    keys = [
        f"cast({identifier(name)} as varchar) as {identifier(name)}"
        for name, kind, *_ in connection.execute(f"describe {table}").fetchall()
        if kind == "UUID"
    ]
    columns = f"* replace ({', '.join(keys)})" if keys else "*"
    connection.execute(
        f"copy (select {columns} from {table}) to {literal(path)} (format parquet, "
        "compression zstd, compression_level 1, dictionary_size_limit 1000, "
        f"kv_metadata {{{pairs}}})"
    )


def parquet_rows(connection: duckdb.DuckDBPyConnection, path: Path) -> int | None:
    """The rows of a Parquet file by its footer; None: it is missing or can't be read."""
    import duckdb

    sql = f"select num_rows from parquet_file_metadata({literal(path)})"
    with suppress(duckdb.Error):
        return int(one_row(connection.execute(sql))[0])
    return None


def used_bytes(connection: duckdb.DuckDBPyConnection, database: str) -> int:
    """Bytes of an attached file's blocks in use.

    Its number of all blocks says less: a checkpoint cuts free blocks off the end of a file, but
    leaves them in its header.
    """
    sql = (
        "select block_size * used_blocks from pragma_database_size() "
        f"where database_name = {literal(database)}"
    )
    return int(one_row(connection.execute(sql))[0])


def refuse_wal(path: Path) -> None:
    """Refuse a file with a write-ahead log beside it: alone it lacks rows or won't open.

    Raises:
        UserError: there is one.
    """
    if wal_file(path).exists():
        raise UserError(
            f"{wal_file(path)}: a write-ahead log lies beside {path.name}, so some program has "
            "opened it for writing; close that program, delete the .wal and run again"
        )


def known_cause(message: str) -> str | None:
    """What a person can do about a DuckDB error that is about files, or None for any other.

    Of a full disk, of a file that another program holds open and of a damaged Parquet file.

    Args:
        message: the exception's text.
    """
    if any(words in message for words in NO_SPACE):
        return f"{DISK_FULL}; free some space and run again"
    held = _HELD.search(message)
    if held:
        process = f" (pid {held['pid']})" if held["pid"] else ""
        return f"{_shown(held['file'])} is open in another program{process}; close it and run again"
    damaged = _PARQUET.search(message)
    if damaged and any(words in message for words in _DAMAGE):
        return (
            f"{_shown(damaged['file'])} is damaged; remove it, and the next run reads its rows "
            "again from the archive"
        )
    return None


def _shown(path: str) -> str:
    """A path below the workspace, as the documentation names it."""
    parts = Path(path).parts
    starts = [place for place, part in enumerate(parts) if part in _FOLDERS]
    return "/".join(parts[starts[-1] :] if starts else parts[-1:])


def safe_reason(message: str, kind: str = "") -> str:
    """One line saying why a check could not be evaluated, without the value of any cell.

    DuckDB quotes the offending cell in conversion and value errors; only the text of errors about
    tables and columns is kept.

    Args:
        message: the exception's text.
        kind: the exception's class, for a message that is not DuckDB's.
    """
    found = _DUCKDB_ERROR.search(message)
    if found is None:
        return f"could not be evaluated ({kind or 'unknown error'})"
    cause = known_cause(message)
    if cause is not None:
        return f"could not be evaluated ({cause})"
    name, text = found.groups()
    if name == "Out of Memory":
        return "could not be evaluated (not enough memory; raise memory_limit in workspace.yml)"
    if name in _NAMING_ERRORS:
        return f"could not be evaluated ({name} Error: {text[:200].strip()})"
    return f"could not be evaluated ({name} Error)"
