"""The runs of the command line in Dagster's history: under their job, closed and pruned."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.workspace.current import PROJECT_DIR

if TYPE_CHECKING:
    from dagster import DagsterInstance, JobDefinition, JobExecutionResult
    from dagster._core.remote_origin import RemoteJobOrigin

    from orchestration.workspace.model import Workspace

# As in pyproject.toml's [tool.dagster]: the names under which `dagster dev` loads the definitions.
MODULE = "orchestration.definitions"
CODE_LOCATION = "nps_warehouse"
REPOSITORY = "__repository__"
# Marks the runs of the command line: each holds the workspace's lock from before its first event.
COMMAND_LINE = "nps/command_line"
# A run that a person started is not repeated by a daemon that finds it failed.
NO_RETRY = {"dagster/max_retries": "0"}


def execute(
    instance: DagsterInstance, job: JobDefinition, tags: dict[str, str] | None = None
) -> JobExecutionResult:
    """Execute a job in this process, as a run that Dagster's UI lists under the job.

    `JobDefinition.execute_in_process` records a run of no code location, which no job's page shows.
    """
    from dagster._core.definitions.job_base import InMemoryJob
    from dagster._core.execution.api import execute_run

    run = instance.create_run_for_job(
        job_def=job,
        # The run's own lines are on the screen; Dagster's are in its home, and in its UI.
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        tags={**job.run_tags, **(tags or {}), **NO_RETRY, COMMAND_LINE: "true"},
        remote_job_origin=_origin(job.name),
    )
    return execute_run(InMemoryJob(job), run, instance)


def _origin(job_name: str) -> RemoteJobOrigin:
    """Where `dagster dev` finds the job."""
    from dagster._core.remote_origin import (
        ManagedGrpcPythonEnvCodeLocationOrigin,
        RemoteRepositoryOrigin,
    )
    from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

    location = ManagedGrpcPythonEnvCodeLocationOrigin(
        LoadableTargetOrigin(
            executable_path=sys.executable,
            module_name=MODULE,
            working_directory=str(PROJECT_DIR),
        ),
        CODE_LOCATION,
    )
    return RemoteRepositoryOrigin(location, REPOSITORY).get_job_origin(job_name)


def close_killed_runs(instance: DagsterInstance) -> int:
    """Mark unfinished runs of the command line as failed; the caller holds the workspace's lock.

    Returns:
        How many there were.
    """
    import dagster as dg
    from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES

    unfinished = dg.RunsFilter(tags={COMMAND_LINE: "true"}, statuses=list(NOT_FINISHED_STATUSES))
    runs = instance.get_runs(unfinished)
    for run in runs:
        instance.report_run_failed(run, "The process of this run was killed.")
    return len(runs)


def prune(instance: DagsterInstance, workspace: Workspace) -> int:
    """Delete the oldest finished runs with their events, beyond the workspace's `retain.runs`.

    Returns:
        How many were deleted.
    """
    import dagster as dg
    from dagster._core.storage.dagster_run import FINISHED_STATUSES

    finished = dg.RunsFilter(statuses=list(FINISHED_STATUSES))
    kept = workspace.retain.runs
    old = instance.get_runs(finished)[kept:]
    for run in old:
        instance.delete_run(run.run_id)
        _remove_files(instance, workspace, run.run_id)
    _forget_checks(instance, [run.run_id for run in old])
    return len(old)


def _remove_files(instance: DagsterInstance, workspace: Workspace, run_id: str) -> None:
    """Remove a deleted run's own files: SQLite keeps the room of deleted events."""
    from dagster._core.storage.event_log import SqliteEventLogStorage

    storage = instance.event_log_storage
    if isinstance(storage, SqliteEventLogStorage):
        shard = Path(storage.path_for_shard(run_id))
        for path in (shard, *shard.parent.glob(f"{shard.name}-*")):
            path.unlink(missing_ok=True)
    for path in (workspace.runs / "gx").glob(f"{run_id}-*.json"):
        path.unlink(missing_ok=True)


def _forget_checks(instance: DagsterInstance, run_ids: list[str]) -> None:
    """Delete the check evaluations of deleted runs, which Dagster keeps."""
    from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable as Checks
    from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage

    storage = instance.event_log_storage
    if run_ids and isinstance(storage, SqlEventLogStorage):
        with storage.index_connection() as connection:
            connection.execute(Checks.delete().where(Checks.c.run_id.in_(run_ids)))
