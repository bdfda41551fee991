"""What a person reads of check results: sentences of names and counts, never a cell's value."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from expectations import CheckResult
from orchestration.core.progress import announce
from orchestration.workspace.model import Workspace


def results_file(workspace: Workspace, run_id: str, schema: str) -> Path:
    """Where a run keeps the results of a schema's checks, as JSON."""
    return workspace.runs / "gx" / f"{run_id}-{schema}.json"


def counts(schema: str, results: Sequence[CheckResult]) -> str:
    """One line on a schema's checks: how many passed, and which failed."""
    failed = [f"{result.table}.{result.name}" for result in results if not result.success]
    ending = f"; failed: {', '.join(failed)}" if failed else ""
    return f"{schema}: {len(results) - len(failed)} of {len(results)} checks passed{ending}"


def sentence(result: CheckResult) -> str:
    """A failed check as a sentence: its name, its numbers and the rule that is broken."""
    return _sentence(result.table, result.name, result.observed, result.error, result.check.why)


def _sentence(
    table: str, name: str, observed: Mapping[str, Any], error: str | None, rule: str
) -> str:
    if error:
        return f"{table}.{name} {error}. The rule: {rule}"
    numbers = ", ".join(f"{key.replace('_', ' ')} {_number(observed[key])}" for key in observed)
    return f"{table}.{name} failed{f' ({numbers})' if numbers else ''}. The rule: {rule}"


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"


def announce_failures(results: Iterable[CheckResult]) -> None:
    """Print each failed check as a sentence, and below it one line for each place it names."""
    for result in results:
        if not result.success:
            stage = "blocked" if result.blocks else "warning"
            for line in (sentence(result), *result.where):
                announce(stage, line)


def blocking_failures(workspace: Workspace, run_id: str) -> list[str]:
    """A run's failed checks that block publishing, from its result files, one text each.

    Each is the check's sentence and the places that it names. Empty where the run has no results.
    """
    found = []
    for schema in ("raw", "marts", "restricted"):
        try:
            document = json.loads(results_file(workspace, run_id, schema).read_text("utf-8"))
        except (OSError, ValueError):
            continue
        for check in document["checks"]:
            if not check["success"] and check["severity"] == "critical":
                parts = (check[key] for key in ("table", "check", "observed", "error", "why"))
                found.append(
                    " ".join([_sentence(*parts), *(f"{line}." for line in check["where"])])
                )
    return found
