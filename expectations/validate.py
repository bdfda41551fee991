"""Run suites against a DuckDB database with Great Expectations.

Nothing but counts leaves this module: no cell's value reaches a result, a log line or a message.
"""

from __future__ import annotations

import json
import logging
import os
import re
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from expectations import NO_ROWS, Check, CheckResult, query_on
from orchestration.core.duckdb_session import safe_reason

Suites = Mapping[str, Sequence[Check]]

MOST_EXPLAINED = 10


def validate(
    database: Path | None,
    suites: Suites,
    schema: str,
    *,
    setup: Sequence[str] = (),
    changed: Mapping[str, str] | None = None,
    results: Path | None = None,
) -> list[CheckResult]:
    """Evaluate suites against the tables of one schema.

    Args:
        database: the DuckDB file, opened for reading only and closed again; None for a database
            in memory, to be filled by ``setup``.
        suites: the checks of each table, by the table's name.
        schema: the schema that holds the tables.
        setup: statements run first, in the same connection.
        changed: of tables that changed in part the condition, over their columns, of the changed
            rows: checks of scope ``rows`` look at no others. None, or a table that it does not
            name: every row is new.
        results: a JSON file to write the results to; its folder is made. None writes nothing.

    Returns:
        One result for each check, in the suites' order. A check that cannot be evaluated, such as
        one of a table that is missing, is a failure that says so.

    Raises:
        FileNotFoundError: there is no such database.
        duckdb.Error: the database cannot be opened, or a setup statement fails.
    """
    if database is not None and not database.is_file():
        raise FileNotFoundError(f"there is no database {database}: build it first")
    with _quiet(), _source(database, schema, setup) as source:
        found = [
            result
            for table, checks in suites.items()
            for result in _table(source, table, checks, (changed or {}).get(table))
        ]
    if results is not None:
        _write(results, schema, found)
    return found


# --- Great Expectations -----------------------------------------------------------------------


@lru_cache(maxsize=1)
def _context() -> Any:
    """One context for the process: it keeps nothing on disk and sends nothing anywhere."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    # Defining the classes makes them known to Great Expectations.
    import expectations.duckdb_source
    import expectations.expect_no_rows  # noqa: F401

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context


@contextmanager
def _source(database: Path | None, schema: str, setup: Sequence[str]) -> Iterator[Any]:
    """A data source over the database, removed and closed at the end.

    Raises:
        duckdb.Error: the database cannot be opened, or a setup statement fails.
    """
    context = _context()
    name = f"duckdb-{uuid.uuid4().hex}"
    source = None
    try:
        source = context.data_sources.add_duckdb(
            name=name,
            database=str(database) if database else ":memory:",
            read_only=database is not None,
            table_schema=schema,
        )
        with source.get_engine().connect() as connection:
            for statement in setup:
                connection.exec_driver_sql(statement)
            connection.commit()
    except Exception as error:
        if source is not None:
            source.close()
        raise _of_duckdb(error) from None
    try:
        yield source
    finally:
        context.data_sources.delete(name)
        source.close()


def _of_duckdb(error: BaseException) -> BaseException:
    """DuckDB's own error below those of SQLAlchemy and Great Expectations that wrap it."""
    import duckdb

    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, duckdb.Error):
            return cause
        cause = getattr(cause, "orig", None) or cause.__cause__
    return error


def _table(
    source: Any, table: str, checks: Sequence[Check], condition: str | None
) -> Iterator[CheckResult]:
    """The results of one table's checks, of whose rows those of a condition are new."""
    try:
        whole = _batch(source.add_table_asset(name=table))
    except Exception:
        reason = f"there is no table {source.schema_}.{table}"
        yield from (CheckResult(table, check, False, error=reason) for check in checks)
        return
    part, error = None, None
    if condition is not None and any(check.scope == "rows" for check in checks):
        try:
            part = _changed(source, table, condition)
        except Exception as raised:
            error = safe_reason(str(_of_duckdb(raised)), type(raised).__name__)
    name = whole.data_asset.qualified_name
    rest = f"(select * from {name} where not coalesce({condition}, false))"
    shared: dict[str, str] = {}
    for check in checks:
        start = time.perf_counter()
        _share(source, check, shared)
        if condition is None or check.scope == "table":
            result = _evaluate(whole, table, check, shared=shared)
        elif part is None:
            result = CheckResult(table, check, False, error=error)
        else:
            result = _evaluate(part, table, check, rest, shared)
        if check.measure:
            result = replace(result, observed={**result.observed, **_measure(whole, check.measure)})
        if check.explain and not result.success and not result.error:
            is_partial = condition is not None and check.scope == "rows"
            rows = f"(select * from {name} where {condition})" if is_partial else name
            failing = query_on(check, rows, rest if is_partial else None, shared)
            result = replace(result, where=_explain(whole, check.explain, failing))
        yield replace(result, seconds=round(time.perf_counter() - start, 4))


def _batch(asset: Any) -> Any:
    """Great Expectations' handle on what a table or a query returns."""
    # a batch definition would be one more thing for the context to write down
    return asset.get_batch(asset.build_batch_request())


def _changed(source: Any, table: str, condition: str) -> Any:
    """A batch of a table's changed rows, kept as a temporary table for the checks that share it.

    A database that is opened for reading has temporary tables, too.
    """
    _keep(source, table, f'select * from {source.schema_}."{table}" where {condition}')
    query = f'SELECT * FROM temp.main."{table}"'
    return _batch(source.add_query_asset(name=f"changed {table}", query=query))


def _keep(source: Any, name: str, query: str) -> None:
    """Keep what a query returns as a temporary table.

    Raises:
        Exception: SQLAlchemy's, around DuckDB's.
    """
    with source.get_engine().connect() as connection:
        connection.exec_driver_sql(f'create or replace temp table "{name}" as {query}')
        connection.commit()


def _share(source: Any, check: Check, shared: dict[str, str]) -> None:
    """Make the tables of a check's shared queries that are not there yet, and add their names.

    A query that cannot be evaluated is left to the check that it is part of, which says so.
    """
    for name, query in check.shared.items():
        if name not in shared:
            with suppress(Exception):
                _keep(source, f"shared {name}", query)
                shared[name] = f'temp.main."shared {name}"'


def _evaluate(
    batch: Any,
    table: str,
    check: Check,
    rest: str | None = None,
    shared: Mapping[str, str] | None = None,
) -> CheckResult:
    """Evaluate one check; whatever is raised becomes a failure with its reason."""
    try:
        # a count is all that the basic result of ours holds; of the others it holds cells
        detail = "BASIC" if check.type == NO_ROWS else "BOOLEAN_ONLY"
        found = batch.validate(_expectation(check, rest, shared), result_format=detail)
    except Exception as error:
        return CheckResult(table, check, False, error=safe_reason(str(error), type(error).__name__))
    raised = _exception_message(found.exception_info)
    if raised is not None:
        return CheckResult(table, check, False, error=safe_reason(raised))
    count = found.result.get("observed_value") if check.type == NO_ROWS else None
    observed = {} if count is None else {"unexpected_rows": int(count)}
    return CheckResult(table, check, bool(found.success), observed)


def _expectation(check: Check, rest: str | None, shared: Mapping[str, str] | None) -> Any:
    """The expectation of Great Expectations' that a check names."""
    from great_expectations.expectations.registry import get_expectation_impl

    kwargs = dict(check.kwargs)
    if check.type == NO_ROWS:
        # Great Expectations puts the table there with an alias of its own, but not where the query
        # has a join; a subquery around it is the same either way
        query = query_on(check, "(select * from {batch})", rest, shared)
        kwargs["unexpected_rows_query"] = _escape(query)
    return get_expectation_impl(check.type)(**kwargs, severity=check.severity)


def _escape(query: str) -> str:
    """A query as it must be written to come out as it was meant.

    It goes through ``str.format``, in which braces have a meaning, and through ``sqlalchemy.text``,
    in which colons do.
    """
    parts = [part.replace("{", "{{").replace("}", "}}") for part in query.split("{batch}")]
    return re.sub(r"(?<![:\w])(:\w)", r"\\\1", "{batch}".join(parts))


def _measure(batch: Any, query: str) -> dict[str, int | float]:
    """The named numbers of a measure; anything else, and a measure that fails, is skipped."""
    table = batch.data_asset.qualified_name
    try:
        with batch.datasource.get_engine().connect() as connection:
            row = connection.exec_driver_sql(query.replace("{batch}", table)).mappings().first()
    except Exception:
        return {}
    return {
        str(name): value
        for name, value in (row or {}).items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def _explain(batch: Any, query: str, failing: str) -> tuple[str, ...]:
    """The lines of a failed check's explanation, the largest number first.

    Whatever goes wrong here is said in the line: an explanation never changes an outcome.

    Args:
        batch: the whole table.
        query: the check's ``explain``.
        failing: the query of the rows that break the rule.
    """
    try:
        query = query.replace("{failing}", f"({failing})")
        query = query.replace("{batch}", batch.data_asset.qualified_name)
        with batch.datasource.get_engine().connect() as connection:
            found = connection.exec_driver_sql(query)
            unit = list(found.keys())[-1]
            rows = sorted(found.fetchall(), key=lambda row: (-row[-1], *map(str, row)))
    except Exception as error:
        reason = safe_reason(str(_of_duckdb(error)), type(error).__name__)
        return (f"the explanation {reason}",)
    lines = [_where(row, unit) for row in rows[:MOST_EXPLAINED]]
    if len(rows) > MOST_EXPLAINED:
        lines.append(f"and {len(rows) - MOST_EXPLAINED:,} more")
    return tuple(lines)


def _where(row: Sequence[Any], unit: str) -> str:
    """One line of an explanation: its names, and how many of the unit."""
    *names, number = row
    shown = ": ".join("(unknown)" if name is None else str(name) for name in names)
    return f"{shown}: {number:,} {unit.removesuffix('s') if number == 1 else unit}"


def _exception_message(info: Mapping[str, Any]) -> str | None:
    """The message of what Great Expectations caught: of the expectation, or of one metric of it."""
    infos = [info] if "raised_exception" in info else list(info.values())
    for each in infos:
        if each.get("raised_exception"):
            return str(each.get("exception_message") or "")
    return None


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Great Expectations from logging: its error lines quote the database's messages."""
    logger = logging.getLogger("great_expectations")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)


# --- results ----------------------------------------------------------------------------------


def _write(path: Path, schema: str, results: Sequence[CheckResult]) -> None:
    """Write results as JSON, whole or not at all."""
    document = {
        "schema": schema,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "checks": [
            {
                "table": result.table,
                "check": result.name,
                "severity": result.severity,
                "success": result.success,
                "observed": dict(result.observed),
                "seconds": result.seconds,
                "error": result.error,
                "where": list(result.where),
                "why": result.check.why,
            }
            for result in results
        ],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".tmp-{path.name}")
    temporary.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", "utf-8")
    os.replace(temporary, path)
