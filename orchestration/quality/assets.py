"""The two boundaries as asset checks: what arrived, before dbt; what leaves, before publishing.

Each check of a suite is one asset check. A critical one is blocking: if it fails, nothing
downstream of its asset runs, so that nothing is published. All checks of a boundary run in one
step, because opening the database and importing Great Expectations cost more than the checks.
"""

# no `from __future__ import annotations`: Dagster looks at the annotation of `context` itself
from collections.abc import Iterator, Mapping
from typing import Any

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckKey,
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetKey,
    MetadataValue,
    multi_asset_check,
)

from expectations import Check, CheckResult
from orchestration.core.lock import hold_workspace
from orchestration.core.progress import announce, timed
from orchestration.quality import gate, outcomes
from orchestration.quality.boundaries import MARTS, RAW, RESTRICTED, Suites
from orchestration.warehouse.assets import FULL_REFRESH_TAG
from orchestration.warehouse.build_record import (
    built_from,
    inputs_of_build,
    mark_gated,
    rows_changed_by_batch,
    state_of_build,
    unmark_gated,
)
from orchestration.warehouse.dbt import target_dir
from orchestration.workspace.current import current_workspace
from orchestration.workspace.model import Workspace


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


def as_asset_check_result(schema: str, result: CheckResult) -> AssetCheckResult:
    """A check's result for Dagster: counts, names and reasons, no cell's value."""
    metadata: dict[str, Any] = {"why": result.check.why, "seconds": result.seconds}
    metadata |= dict(result.observed)
    if not result.success:
        metadata["explanation"] = outcomes.sentence(result)
    if result.where:
        metadata["where"] = MetadataValue.md("\n".join(f"- {line}" for line in result.where))
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


def _changed_rows(workspace: Workspace, schema: str) -> dict[str, str] | None:
    """The condition of the rows that the last batch changed, by table; None: a full build."""
    if built_from(workspace) is None:
        return None
    conditions = rows_changed_by_batch(workspace, target_dir(workspace) / "manifest.json")
    return {
        name.removeprefix(f"{schema}."): condition
        for name, condition in conditions.items()
        if name.startswith(f"{schema}.")
    }


def _is_full(context: AssetCheckExecutionContext) -> bool:
    """Whether the run checks everything."""
    return context.run.tags.get(FULL_REFRESH_TAG) == "true"


@multi_asset_check(
    specs=check_specs("raw", RAW),
    can_subset=True,
    description="What arrived: every row traceable, few of them unreadable.",
)
def raw_checks(context: AssetCheckExecutionContext) -> Iterator[AssetCheckResult]:
    """The checks of the raw boundary that the run selects."""
    workspace = current_workspace()
    suites = _selected("raw", RAW, set(context.selected_asset_check_keys))
    hold_workspace(workspace.runs)
    with timed("checks"):
        results = _check_lake(workspace, suites, context)
    announce("checks", outcomes.counts("raw", results))
    outcomes.announce_failures(results)
    for result in results:
        yield as_asset_check_result("raw", result)


def _check_lake(
    workspace: Workspace, suites: Suites, context: AssetCheckExecutionContext
) -> list[CheckResult]:
    """Evaluate checks of the lake: of rows only those of files that came since they passed."""
    file = outcomes.results_file(workspace, context.run.run_id, "raw")
    lines = gate.manifest_lines(workspace)

    def evaluate(asked: Suites, notes: Mapping[str, Any] | None) -> list[CheckResult]:
        if notes is None:
            return gate.check_raw(workspace, asked, file)
        seen = set(notes["files"])
        return gate.check_raw(
            workspace, asked, file, {sha for line, sha in lines.items() if line not in seen}
        )

    return gate.evaluate_or_reuse(
        workspace,
        "raw",
        suites,
        gate.state_of_lake(workspace),
        evaluate,
        is_full=_is_full(context),
        notes={"files": sorted(lines)},
    )


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
    found: dict[str, list[CheckResult]] = {}
    for schema, suites in (("marts", MARTS), ("restricted", RESTRICTED)):
        chosen = _selected(schema, suites, keys)
        if chosen:
            with timed("checks"):
                found[schema] = _check_build(workspace, schema, chosen, context)
            announce("checks", outcomes.counts(schema, found[schema]))
    results = [result for each in found.values() for result in each]
    if any(result.blocks for result in results):
        unmark_gated(workspace)
    elif len(results) == _size(MARTS) + _size(RESTRICTED):
        mark_gated(workspace)
    outcomes.announce_failures(results)
    for schema, each in found.items():
        for result in each:
            yield as_asset_check_result(schema, result)


def _check_build(
    workspace: Workspace, schema: str, suites: Suites, context: AssetCheckExecutionContext
) -> list[CheckResult]:
    """Evaluate checks of the build: of rows only those that the last batch changed."""
    file = outcomes.results_file(workspace, context.run.run_id, schema)
    changed = _changed_rows(workspace, schema)

    def evaluate(asked: Suites, notes: Mapping[str, Any] | None) -> list[CheckResult]:
        # a build that was never checked, as its run was killed, may lie between that and this
        follows = notes is not None and notes.get("build") == built_from(workspace)
        part = changed if follows else None
        return gate.check_warehouse(workspace, schema, asked, file, part)

    # some checks compare the build with the lake
    state = f"{gate.state_of_lake(workspace)} {state_of_build(workspace)}"
    return gate.evaluate_or_reuse(
        workspace,
        schema,
        suites,
        state,
        evaluate,
        is_full=_is_full(context),
        notes={"build": inputs_of_build(workspace)},
    )


def _size(suites: Suites) -> int:
    return sum(len(checks) for checks in suites.values())


# The steps whose failure a check's explanation belongs to.
GATE_STEPS = (raw_checks.op.name, mart_checks.op.name)
