"""The rules for incoming data and outgoing tables: the suites, and how they run.

``suites/`` holds the checks as plain data, ``validate`` runs them with Great Expectations.
Importing this package costs nothing: Great Expectations is imported only by ``validate``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Severity = Literal["critical", "warning"]
Scope = Literal["rows", "table"]
Outcome = Mapping[str, int | float]

NO_ROWS = "expect_no_rows"


@dataclass(frozen=True)
class Check:
    """One expectation of one table.

    Attributes:
        name: unique within the table; what the check is called everywhere.
        why: one sentence: what holds, and what would be wrong without it.
        kwargs: arguments of the expectation. Of ``expect_no_rows``: ``unexpected_rows_query``, a
            query of the rows that break the rule, in which ``{batch}`` is the table. In one of
            scope ``rows``, ``{batch}`` is the changed rows and ``{rest}`` the others: none after
            a full build.
        type: Great Expectations' name of the expectation, in snake case.
        severity: ``critical`` keeps the tables from being published, ``warning`` is only reported.
        scope: ``rows`` if only a row itself can make it break the rule: after a batch the check
            reads the changed rows. ``table`` if other rows, other tables or the day can, as in
            sums: the check reads the whole table each time.
        measure: optional query of one row of named numbers over ``{batch}``, reported beside the
            outcome. Never of cell values: only numbers are kept.
        explain: optional query that runs only if the check fails and says where: names of the
            project's or the workspace's own (sources, entities, reasons, columns), and last the
            number of what the column is called, such as ``rows``. ``{failing}`` is the rows that
            break the rule, ``{batch}`` the whole table.
        shared: queries that several checks of the table read, by name; ``{name}`` in the query.
            Each is evaluated once for all of them.
    """

    name: str
    why: str
    kwargs: Mapping[str, Any]
    type: str = NO_ROWS
    severity: Severity = "critical"
    scope: Scope = "table"
    measure: str | None = None
    explain: str | None = None
    shared: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CheckResult:
    """The outcome of one check.

    Attributes:
        table: the table's name, without its schema.
        check: the check.
        success: whether it passed. A check that could not be evaluated failed.
        observed: numbers only: ``unexpected_rows`` where rows are counted, and the measure's.
        seconds: how long it took.
        error: why it could not be evaluated, in one line without any cell's value; else None.
        where: of a failed check what its ``explain`` found, most first: each a line of names and
            a number, such as ``crm/customers: wrong_width: 3 rows``.
    """

    table: str
    check: Check
    success: bool
    observed: Outcome = field(default_factory=dict)
    seconds: float = 0.0
    error: str | None = None
    where: tuple[str, ...] = ()

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
    scope: Scope = "table",
    measure: str | None = None,
    explain: str | None = None,
    by: str | None = None,
    shared: Mapping[str, str] | None = None,
) -> Check:
    """The usual check: a query of the rows that break a rule must return none.

    Args:
        name: the check's name.
        query: DuckDB's SQL with ``{batch}`` for the table, see ``Check``. Other braces need no
            doubling; it must not end in a comment.
        why: the rule, in one sentence.
        severity: whether a failure blocks publishing.
        scope: whether reading the changed rows is enough, see ``Check``.
        measure: optional query of one row of named numbers, see ``Check``.
        explain: optional query that says where the rule is broken, see ``Check``.
        by: instead of ``explain``: columns of the query by which its rows are counted.
        shared: queries that other checks of the table read, too, see ``Check``.
    """
    return Check(
        name,
        why,
        {"unexpected_rows_query": query},
        severity=severity,
        scope=scope,
        measure=measure,
        explain=f"select {by}, count(*) as rows from {{failing}} group by all" if by else explain,
        shared=shared or {},
    )


def query_on(
    check: Check, batch: str, rest: str | None = None, shared: Mapping[str, str] | None = None
) -> str:
    """The query of a check of ``expect_no_rows``, with its relations put in.

    Args:
        check: the check.
        batch: the rows to look at: a table, or a query in brackets.
        rest: the table's other rows; None: there are none.
        shared: tables of the check's shared queries, by name; of the others the query is put in.
    """
    query: str = check.kwargs["unexpected_rows_query"]
    for name, text in check.shared.items():
        query = query.replace(f"{{{name}}}", (shared or {}).get(name, f"({text})"))
    nothing = f"(select * from {batch} where false)"
    return query.replace("{rest}", rest or nothing).replace("{batch}", batch)
