"""Why a step failed, in one line that a person can act on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from orchestration.core.duckdb_session import known_cause, safe_reason

_DUCKDB = re.compile(r"\b[A-Z][A-Za-z ]+ Error: ")
# Dagster puts the class before the message: `orchestration.core.errors.UserError: workspace.yml …`
_CLASS = re.compile(r"^\w+(\.\w+)+: ")


def reason_of_failure(error: Any) -> str:
    """The outermost UserError of a chain, whose words are meant for people; else the innermost.

    A full disk is said in words whatever raised it, and of DuckDB's own messages nothing that
    may quote a cell is repeated.

    Args:
        error: Dagster's `SerializableErrorInfo`.
    """
    chain = list(_chain(error))
    for each in chain:
        if each.cls_name == "UserError":
            return _one_line(_CLASS.sub("", each.message, count=1))
    for each in chain:
        if cause := known_cause(each.message):
            return cause
    innermost = _CLASS.sub("", chain[-1].message, count=1)
    return safe_reason(innermost) if _DUCKDB.search(innermost) else _one_line(innermost)


def cause_of(error: BaseException) -> str | None:
    """What a person can do about an exception, if it or one that it came from is a known one."""
    current: BaseException | None = error
    while current is not None:
        if cause := known_cause(str(current)):
            return cause
        current = current.__cause__ or current.__context__
    return None


def _chain(error: Any) -> Iterator[Any]:
    """The errors from the outermost to the innermost: causes, else what was being handled."""
    while error is not None:
        yield error
        error = error.cause


def _one_line(text: str) -> str:
    return " ".join(text.split())[:500]
