"""One run of a job in this process, and the facts of it that the summary tells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestration.core.progress import announce, recorded, seconds_by_stage, timed

if TYPE_CHECKING:
    from orchestration.report.summary import RunFacts
    from orchestration.workspace.model import Workspace


def run_job(workspace: Workspace, job_name: str) -> tuple[RunFacts, bool]:
    """Run a job of the definitions and gather what became of it.

    Args:
        workspace: the workspace that `orchestration.definitions` was or will be made for.
        job_name: `refresh` or `full_refresh`.

    Returns:
        The facts for the summary, and whether the run succeeded.
    """
    with timed("set-up"):
        import dagster as dg

        from orchestration.core.event_log import kept_connections
        from orchestration.definitions import defs
        from orchestration.report.summary import IngestTotals, RunFacts

    announce("start", f"{job_name} begins")
    with dg.DagsterInstance.get() as instance, kept_connections(instance.event_log_storage):
        result = defs.resolve_job_def(job_name).execute_in_process(
            instance=instance,
            raise_on_error=False,
            # The run's own lines are on the screen; Dagster's are in its home, and in its UI.
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
    checks = [
        event.asset_check_evaluation_data
        for event in result.all_events
        if event.event_type_value == "ASSET_CHECK_EVALUATION"
    ]
    for event in result.all_events:
        if event.event_type_value == "STEP_FAILURE":
            if event.step_failure_data.error.cls_name == "KeyboardInterrupt":
                raise KeyboardInterrupt
            announce("failed", f"{event.step_key}: {_reason(event.step_failure_data.error)}")

    def named(passed: bool, severity: str | None = None) -> tuple[str, ...]:
        return tuple(
            f"{check.asset_key.path[-1]}.{check.check_name}"
            for check in checks
            if check.passed is passed and (severity is None or check.severity.value == severity)
        )

    return (
        RunFacts(
            ingest=IngestTotals.of(recorded("ingest")),
            checks_passed=named(True),
            checks_failed=named(False, "ERROR"),
            checks_warned=named(False, "WARN"),
            seconds=seconds_by_stage(),
            generation=next(iter(recorded("generation")[-1:]), None),
        ),
        result.success,
    )


def _reason(error: Any) -> str:
    """The innermost error's own words, in one line: what a person can act on."""
    while error.cause is not None:
        error = error.cause
    return " ".join(error.message.split())[:500]
