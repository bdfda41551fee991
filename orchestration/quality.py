"""The two boundaries as asset checks: what arrived, before dbt; what leaves, before publishing.

Each check of a suite is one asset check. A critical one is blocking: if it fails, nothing
downstream of its asset runs, so that nothing is published. All checks of a boundary run in one
step, because opening the database and importing Great Expectations cost more than the checks.
"""

# no `from __future__ import annotations`: Dagster looks at the annotation of `context` itself
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
from dagster import (
    AssetCheckExecutionContext,
    AssetCheckKey,
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetKey,
    multi_asset_check,
)

from expectations import Check, CheckResult
from expectations.suites.marts import MARTS, RESTRICTED
from expectations.suites.raw import RAW
from expectations.validate import (
    lake_views,
    release_dbt,
    spill_settings,
    validate,
)
from orchestration.context import PROJECT_DIR, current_workspace
from orchestration.errors import UserError
from orchestration.inputs import inputs_hash
from orchestration.lock import hold_workspace
from orchestration.progress import announce, timed
from orchestration.transform import FULL_REFRESH_TAG, mark_gated, state_of_build, unmark_gated
from orchestration.workspace import Workspace

Suites = Mapping[str, Sequence[Check]]


def check_specs(schema: str, suites: Suites) -> list[AssetCheckSpec]:
    """The asset checks of one schema's suites; the tables are the assets ``[schema, table]``."""
    return [
        AssetCheckSpec(
            name=check.name,
            asset=AssetKey([schema, table]),
            description=check.why,
            blocking=check.severity == "critical",
        )
        for table, checks in suites.items()
        for check in checks
    ]


def check_raw(
    workspace: Workspace, suites: Suites = RAW, results: Path | None = None
) -> list[CheckResult]:
    """Evaluate the raw boundary on the lake's Parquet files.

    Args:
        workspace: the workspace whose lake is read.
        suites: the checks of each table of schema ``raw``.
        results: a JSON file for the results, or None.
    """
    spill = workspace.runs / "spill"
    settings = spill_settings(spill, workspace.memory_limit)
    return validate(
        None, suites, "raw", setup=settings + lake_views(workspace.lake), results=results
    )


def check_warehouse(
    workspace: Workspace, schema: str, suites: Suites, results: Path | None = None
) -> list[CheckResult]:
    """Evaluate suites on a schema of the build database, which dbt must have finished.

    Args:
        workspace: the workspace whose build database is read.
        schema: ``marts`` or ``restricted``.
        suites: the checks of each table of the schema.
        results: a JSON file for the results, or None.

    Raises:
        UserError: the build database is not there, or another program holds it.
    """
    import duckdb

    release_dbt()
    try:
        return validate(workspace.warehouse_file, suites, schema, results=results)
    except FileNotFoundError:
        raise UserError("warehouse/nps.duckdb: not there; refresh the workspace first") from None
    except (duckdb.IOException, duckdb.ConnectionException):
        raise UserError(
            "warehouse/nps.duckdb: cannot be opened; close the program that has it open (the "
            "tables to read lie in published/) and run again"
        ) from None


def as_asset_check_result(schema: str, result: CheckResult) -> AssetCheckResult:
    """What Dagster is told of a check: counts and reasons, no cell's value."""
    metadata: dict[str, Any] = {"why": result.check.why, "seconds": result.seconds}
    metadata |= dict(result.observed)
    if result.error:
        metadata["error"] = result.error
    return AssetCheckResult(
        asset_key=AssetKey([schema, result.table]),
        check_name=result.name,
        passed=result.success,
        severity=(
            AssetCheckSeverity.ERROR if result.severity == "critical" else AssetCheckSeverity.WARN
        ),
        metadata=metadata,
    )


def _selected(schema: str, suites: Suites, keys: set[AssetCheckKey]) -> dict[str, list[Check]]:
    """The part of a schema's suites that a run asks for."""
    chosen = {
        table: [
            check
            for check in checks
            if AssetCheckKey(AssetKey([schema, table]), check.name) in keys
        ]
        for table, checks in suites.items()
    }
    return {table: checks for table, checks in chosen.items() if checks}


def _judge(
    workspace: Workspace,
    schema: str,
    suites: Suites,
    state: str,
    evaluate: Callable[[], list[CheckResult]],
) -> list[CheckResult]:
    """Evaluate a schema's checks, or tell again what they found of the same state.

    A check is a function of what it reads: of the same lake, or the same build, it finds the
    same. Only what let everything pass is believed again.

    Args:
        workspace: its warehouse's folder keeps the last results.
        schema: the schema of the tables.
        suites: the checks asked for.
        state: what the checks read, as a hash; an empty one is never believed again.
        evaluate: evaluates them.
    """
    asked = hashlib.sha256(
        repr([(table, check) for table, checks in suites.items() for check in checks]).encode()
    ).hexdigest()
    path = workspace.warehouse_dir / f"checked-{schema}.json"
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = {}
    known = known if isinstance(known, dict) else {}
    if state and known.get("state") == state and known.get("asked") == asked:
        announce("checks", f"{schema}: nothing changed since the last checks: they stand")
        found = iter(known["results"])
        return [
            CheckResult(table, check, **next(found))
            for table, checks in suites.items()
            for check in checks
        ]
    path.unlink(missing_ok=True)
    results = evaluate()
    if state and not any(result.blocks or result.error for result in results):
        kept = [
            {"success": r.success, "observed": dict(r.observed), "seconds": r.seconds}
            for r in results
        ]
        document = {"state": state, "asked": asked, "results": kept}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document), encoding="utf-8")
    return results


def _code_of_checks() -> str:
    """The code that evaluates checks, as a hash: changed, it may find otherwise."""
    digest = hashlib.sha256()
    for path in sorted((PROJECT_DIR / "expectations").rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _state_of_lake(workspace: Workspace) -> str:
    """What the checks read of the lake, and the code that reads it.

    Of the raw Parquet names, sizes and times; of what is written anew each run the content.
    """
    digest = hashlib.sha256(f"{inputs_hash(workspace)} {_code_of_checks()}".encode())
    for path in (workspace.manifest_dir / "files.parquet", workspace.published_figures):
        if path.exists():
            digest.update(path.read_bytes())
    for path in sorted(workspace.raw.rglob("*.parquet")):
        status = path.stat()
        digest.update(f"{path.name} {status.st_size} {status.st_mtime_ns}".encode())
    return digest.hexdigest()


def _is_full(context: AssetCheckExecutionContext) -> bool:
    """Whether the run looks at everything anew."""
    return context.run.tags.get(FULL_REFRESH_TAG) == "true"


def _results_file(workspace: Workspace, run_id: str, schema: str) -> Path:
    return workspace.runs / "gx" / f"{run_id}-{schema}.json"


def _tell_why(workspace: Workspace, outcomes: Sequence[tuple[str, CheckResult]]) -> None:
    """A line for each check that blocks, and what is quarantined where that is the reason."""
    for _, result in outcomes:
        if result.blocks:
            observed = ", ".join(f"{name} {value}" for name, value in result.observed.items())
            announce("blocked", f"{result.table}.{result.name} ({observed}): {result.check.why}")
    if any(result.blocks and result.name == "quarantine_rate" for _, result in outcomes):
        with duckdb.connect(str(workspace.warehouse_file), read_only=True) as connection:
            rows = connection.execute(
                "select source, entity, reason, count(*) as n from restricted.quarantined_rows "
                "group by all order by n desc, all limit 10"
            ).fetchall()
        for source, entity, reason, count in rows:
            announce("blocked", f"{source}/{entity}: {reason}: {count:,} rows")


def _size(suites: Suites) -> int:
    return sum(len(checks) for checks in suites.values())


def _told(what: str, results: Sequence[CheckResult]) -> str:
    """One line on a boundary for whoever watches the run."""
    failed = [f"{result.table}.{result.name}" for result in results if not result.success]
    ending = f"; not so: {', '.join(failed)}" if failed else ""
    return f"{what}: {len(results) - len(failed)} of {len(results)} checks hold{ending}"


@multi_asset_check(
    specs=check_specs("raw", RAW),
    can_subset=True,
    description="What arrived: every row traceable, few of them unreadable.",
)
def raw_checks(context: AssetCheckExecutionContext) -> Iterator[AssetCheckResult]:
    """The checks of the raw boundary that the run selects."""
    workspace = current_workspace()
    suites = _selected("raw", RAW, set(context.selected_asset_check_keys))
    results = _results_file(workspace, context.run.run_id, "raw")
    hold_workspace(workspace.runs)
    with timed("checks"):
        state = "" if _is_full(context) else _state_of_lake(workspace)
        found = _judge(
            workspace, "raw", suites, state, lambda: check_raw(workspace, suites, results)
        )
    announce("checks", _told("what arrived", found))
    for result in found:
        yield as_asset_check_result("raw", result)


@multi_asset_check(
    specs=check_specs("marts", MARTS) + check_specs("restricted", RESTRICTED),
    can_subset=True,
    description="What leaves: keys, sums, scores and dates as a reader of the tables sees them.",
)
def mart_checks(context: AssetCheckExecutionContext) -> Iterator[AssetCheckResult]:
    """The checks of the marts boundary that the run selects."""
    workspace = current_workspace()
    keys = set(context.selected_asset_check_keys)
    hold_workspace(workspace.runs)
    outcomes: list[tuple[str, CheckResult]] = []
    for schema, suites in (("marts", MARTS), ("restricted", RESTRICTED)):
        chosen = _selected(schema, suites, keys)
        if chosen:
            results = _results_file(workspace, context.run.run_id, schema)
            with timed("checks"):
                # some checks compare the build with what the lake says
                lake, build = _state_of_lake(workspace), state_of_build(workspace)
                state = "" if _is_full(context) else f"{lake} {build}"
                found = _judge(
                    workspace,
                    schema,
                    chosen,
                    state,
                    partial(check_warehouse, workspace, schema, chosen, results),
                )
            announce("checks", _told(schema, found))
            outcomes += [(schema, result) for result in found]
    if len(outcomes) == _size(MARTS) + _size(RESTRICTED):
        if any(result.blocks for _, result in outcomes):
            unmark_gated(workspace)
            _tell_why(workspace, outcomes)
        else:
            mark_gated(workspace)
    for schema, result in outcomes:
        yield as_asset_check_result(schema, result)
