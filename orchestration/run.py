"""One run of a job in this process, and its facts for the summary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from orchestration.core.progress import RunRecord, announce, recording, timed
from orchestration.core.reasons import reason_of_failure

if TYPE_CHECKING:
    from dagster import AssetCheckEvaluation, DagsterEvent

    from orchestration.report.summary import RunFacts
    from orchestration.workspace.model import Workspace

INTERRUPTS = ("KeyboardInterrupt", "DagsterExecutionInterruptedError")


def run_job(workspace: Workspace, job_name: str, *, force: bool = False) -> tuple[RunFacts, bool]:
    """Run a job of the definitions and gather its facts.

    Args:
        workspace: the workspace that `orchestration.definitions` works on.
        job_name: `refresh` or `full_refresh`.
        force: publish even what is published already.

    Returns:
        The facts for the summary, and whether the run succeeded.

    Raises:
        KeyboardInterrupt: the run was interrupted.
    """
    with recording() as record:
        with timed("set-up"):
            import dagster as dg

            from orchestration import history
            from orchestration.core.event_log import kept_connections
            from orchestration.definitions import defs
            from orchestration.warehouse.assets import FORCE_TAG

        announce("start", f"{job_name} begins")
        with dg.DagsterInstance.get() as instance:
            history.close_killed_runs(instance)
            with kept_connections(instance.event_log_storage):
                tags = {FORCE_TAG: "true"} if force else {}
                result = history.execute(instance, defs.resolve_job_def(job_name), tags)
            history.prune(instance, workspace)
    for event in result.all_events:
        if event.event_type_value == "STEP_FAILURE":
            error = event.step_failure_data.error
            if error.cls_name in INTERRUPTS:
                raise KeyboardInterrupt
            announce("failed", f"{event.step_key}: {reason_of_failure(error)}")
    return _facts(result.all_events, record), result.success


def _facts(events: Sequence[DagsterEvent], record: RunRecord) -> RunFacts:
    """The facts of a run, from its asset checks and from what its steps recorded."""
    from orchestration.report.summary import IngestTotals, RunFacts

    checks = [
        event.asset_check_evaluation_data
        for event in events
        if event.event_type_value == "ASSET_CHECK_EVALUATION"
    ]

    def named(passed: bool, severity: str | None = None) -> tuple[str, ...]:
        return tuple(
            f"{check.asset_key.path[-1]}.{check.check_name}"
            for check in checks
            if check.passed is passed and (severity is None or check.severity.value == severity)
        )

    return RunFacts(
        ingest=IngestTotals.of(record.of("ingest")),
        checks_passed=named(True),
        checks_failed=named(False, "ERROR"),
        checks_warned=tuple(
            _sentence(check)
            for check in checks
            if not check.passed and check.severity.value == "WARN"
        ),
        seconds=record.seconds,
        generation=next(iter(record.of("generation")[-1:]), None),
        sent=next(iter(record.of("sent")[-1:]), None),
    )


def _sentence(check: AssetCheckEvaluation) -> str:
    """A failed check as a sentence: where it fails, and the rule as far as the check states it."""
    name = f"{check.asset_key.path[-1]}.{check.check_name}"
    said = {key: value.value for key, value in check.metadata.items()}
    where = "; ".join(str(said.get("where", "")).removeprefix("- ").split("\n- "))
    rule = said.get("why") or check.description or "the description of the test in `nps docs`"
    return f"{name} failed{f' ({where})' if where else ''}. The rule: {rule}"
