"""The line that a person reads of a failed step."""

from __future__ import annotations

import errno
import os
from types import SimpleNamespace
from typing import Any

import pytest

from orchestration.core.reasons import cause_of, reason_of_failure

SECRET = "ann@mail.example"
ASKED = "orchestration.core.errors.UserError: the disk is full; free some space\n"


def error(*chain: tuple[str, str]) -> Any:
    """Dagster's account of errors, the outermost first."""
    found = None
    for name, message in reversed(chain):
        found = SimpleNamespace(cls_name=name, message=message, cause=found)
    return found


def test_the_cause_is_found_below_other_exceptions():
    outer = RuntimeError("an event could not be stored")
    outer.__cause__ = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/x")
    assert cause_of(outer) == "the disk is full; free some space and run again"
    assert cause_of(RuntimeError("database or disk is full")) is not None
    assert cause_of(RuntimeError("something else")) is None


@pytest.mark.parametrize(
    ("chain", "said"),
    [
        # words that were written for the reader win over the system's below them
        (
            [
                ("DagsterExecutionStepExecutionError", "Error occurred while executing op"),
                ("UserError", ASKED),
                ("OSError", "OSError: [Errno 28] No space left on device: '/x'"),
            ],
            "the disk is full; free some space",
        ),
        (
            [
                ("UserError", "orchestration.core.errors.UserError: outer: do this\n"),
                ("UserError", "orchestration.core.errors.UserError: inner\n"),
            ],
            "outer: do this",
        ),
        (
            [
                ("DagsterExecutionStepExecutionError", "Error occurred while executing op"),
                ("OSError", "OSError: [Errno 28] No space left on device: '/x'\n"),
            ],
            "the disk is full; free some space and run again",
        ),
        (
            [
                (
                    "IOException",
                    "_duckdb.IOException: IO Error: Could not write: No space left on device",
                )
            ],
            "the disk is full; free some space and run again",
        ),
        (
            [
                (
                    "IOException",
                    '_duckdb.IOException: IO Error: Could not set lock on file "/a/ws/warehouse/'
                    'nps.duckdb": Conflicting lock is held in /usr/bin/python3 (PID 4711). However, you '
                    "would be able to open this database in read-only mode",
                )
            ],
            "warehouse/nps.duckdb is open in another program (pid 4711); close it and run again",
        ),
        (
            [
                (
                    "InvalidInputException",
                    "_duckdb.InvalidInputException: Invalid Input Error: No magic bytes found at end of "
                    "file '/a/ws/lake/raw/customers/crm-1.parquet'",
                )
            ],
            "lake/raw/customers/crm-1.parquet is damaged; remove it, and the next run reads its rows "
            "again from the archive",
        ),
        # DuckDB quotes the cell
        (
            [
                ("DagsterExecutionStepExecutionError", "Error occurred while executing op"),
                (
                    "ConversionException",
                    f"_duckdb.ConversionException: Conversion Error: Could not convert '{SECRET}'",
                ),
            ],
            "could not be evaluated (Conversion Error)",
        ),
        (
            [("A", "A: first"), ("ValueError", "ValueError: second\n  line\n")],
            "ValueError: second line",
        ),
    ],
)
def test_the_reason(chain, said):
    assert reason_of_failure(error(*chain)) == said
