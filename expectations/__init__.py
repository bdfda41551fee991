"""What must hold where data comes in and where it leaves: the suites, and how they are run.

``suites/`` holds the checks as plain data, ``validate`` runs them with Great Expectations.
Importing this package costs nothing: Great Expectations is imported only by ``validate``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Severity = Literal["critical", "warning"]
Outcome = Mapping[str, int | float]

NO_ROWS = "expect_no_rows"


@dataclass(frozen=True)
class Check:
    """One expectation of one table.

    Attributes:
        name: unique within the table; what the check is called everywhere.
        why: one sentence: what holds, and what would be wrong without it.
        kwargs: arguments of the expectation. Of ``expect_no_rows``: ``unexpected_rows_query``, a
            query of the rows that break the rule, in which ``{batch}`` is the table.
        type: Great Expectations' name of the expectation, in snake case.
        severity: ``critical`` keeps the tables from being published, ``warning`` is only told.
        measure: optional query of one row of named numbers over ``{batch}``, told beside the
            outcome. Never of cell values: only numbers are taken over.
    """

    name: str
    why: str
    kwargs: Mapping[str, Any]
    type: str = NO_ROWS
    severity: Severity = "critical"
    measure: str | None = None


@dataclass(frozen=True)
class CheckResult:
    """What came of one check.

    Attributes:
        table: the table's name, without its schema.
        check: the check.
        success: whether it holds. A check that could not be evaluated does not hold.
        observed: numbers only: ``unexpected_rows`` where rows are counted, and the measure's.
        seconds: how long it took.
        error: why it could not be evaluated, in one line without any cell's value; else None.
    """

    table: str
    check: Check
    success: bool
    observed: Outcome = field(default_factory=dict)
    seconds: float = 0.0
    error: str | None = None

    @property
    def name(self) -> str:
        """The check's name."""
        return self.check.name

    @property
    def severity(self) -> Severity:
        """The check's severity."""
        return self.check.severity

    @property
    def blocks(self) -> bool:
        """Whether nothing may be published because of it."""
        return not self.success and self.severity == "critical"


def no_rows(
    name: str,
    query: str,
    *,
    why: str,
    severity: Severity = "critical",
    measure: str | None = None,
) -> Check:
    """The usual check: a query of the rows that break a rule must return none.

    Args:
        name: the check's name.
        query: DuckDB's SQL with ``{batch}`` for the table. Other braces need no doubling; it must
            not end in a remark.
        why: what holds, in one sentence.
        severity: whether a failure blocks publishing.
        measure: optional query of one row of named numbers, see ``Check``.
    """
    return Check(name, why, {"unexpected_rows_query": query}, severity=severity, measure=measure)
