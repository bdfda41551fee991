"""DuckDB connections: spill and memory settings, and error messages that are safe to print."""

from __future__ import annotations

import re
from pathlib import Path

from orchestration.core.files import DISK_FULL
from orchestration.core.sql import literal

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
