"""DuckDB connections: spill and memory settings, and error messages that are safe to print."""

from __future__ import annotations

import re
from pathlib import Path

from orchestration.core.sql import literal

# The first line of these DuckDB errors names tables and columns, never the value of a cell.
_NAMING_ERRORS = ("Binder", "Catalog", "Parser")
_OTHER_ERRORS = (
    "Constraint|Conversion|Fatal|FATAL|HTTP|Internal|INTERNAL|INTERRUPT|Invalid Input|Invalid Type|"
    "IO|Mismatch Type|Not implemented|Out of Memory|Out of Range|Permission|Serialization|"
    "TransactionContext"
)
_DUCKDB_ERROR = re.compile(rf"\b({'|'.join(_NAMING_ERRORS)}|{_OTHER_ERRORS}) Error: ([^\n]*)")


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
    name, text = found.groups()
    if name == "Out of Memory" and "max_temp_directory_size" in text:
        return "could not be evaluated (no room on the disk for what memory cannot hold; free some)"
    if name == "Out of Memory":
        return "could not be evaluated (not enough memory; raise memory_limit in workspace.yml)"
    if name in _NAMING_ERRORS:
        return f"could not be evaluated ({name} Error: {text[:200].strip()})"
    return f"could not be evaluated ({name} Error)"
