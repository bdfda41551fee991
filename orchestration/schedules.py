"""When runs start by themselves, how fresh tables must be, and who is notified of a failure."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import dagster as dg

from orchestration.lake.landing import landing_fingerprint
from orchestration.quality.assets import GATE_STEPS
from orchestration.quality.outcomes import blocking_failures
from orchestration.sending.post import post_json, why_not_posted
from orchestration.unchanged import finished_from
from orchestration.warehouse.assets import FULL_REFRESH_TAG
from orchestration.workspace.current import current_workspace

if TYPE_CHECKING:
    from orchestration.workspace.model import Workspace

# A run that hangs is marked failed after this many seconds; Dagster never does so unasked.
MAX_RUNTIME = {"dagster/max_runtime": str(6 * 60 * 60)}


@dg.failure_hook(name="report_failure")
def report_failure(context: dg.HookContext) -> None:
    """Post which step of which run failed to the webhook, if the environment names one.

    The message holds names and counts: of a failed gate the checks, their numbers and sources; of
    an exception nothing, because its text may quote data.
    """
    workspace = current_workspace()
    address = os.environ.get(workspace.webhook_env or "")
    if not address:
        return
    lines = [
        f"NPS warehouse: step {context.op.name} of {context.job_name} failed (run {context.run_id})"
    ]
    if context.op.name in GATE_STEPS:
        lines += blocking_failures(workspace, context.run_id)
    try:
        # the shape that chat tools take
        post_json(address, json.dumps({"text": "\n".join(lines)}).encode())
    except (OSError, ValueError) as error:
        context.log.warning(f"the webhook did not take the message: {why_not_posted(error)}")


refresh = dg.define_asset_job(
    "refresh",
    selection=dg.AssetSelection.all(),
    description="Ingest new files, build, check and publish.",
    hooks={report_failure},
    tags=MAX_RUNTIME | {"dagster/max_retries": "1"},
)

full_refresh = dg.define_asset_job(
    "full_refresh",
    selection=dg.AssetSelection.all(),
    description="The same from the lake alone: the warehouse is removed and rebuilt.",
    hooks={report_failure},
    tags=MAX_RUNTIME | {FULL_REFRESH_TAG: "true"},
)


def daily(workspace: Workspace) -> dg.ScheduleDefinition:
    """Refresh every morning in the business zone, so that yesterday is complete."""
    return dg.ScheduleDefinition(
        name="daily",
        job=refresh,
        cron_schedule="0 5 * * *",
        execution_timezone=workspace.timezone,
        description="Every day at five in the business zone.",
    )


@dg.sensor(name="landing", job=refresh, minimum_interval_seconds=60)
def landing(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Refresh when files in landing/ were added, changed or removed since the last run.

    Names, sizes and times are compared; no file is read.
    """
    workspace = current_workspace()
    delivered = landing_fingerprint(workspace)
    if delivered is None:
        return dg.SkipReason(f"{workspace.landing} holds no file that a source names")
    if delivered in (context.cursor, finished_from(workspace)):
        context.update_cursor(delivered)
        return dg.SkipReason("nothing changed in landing/ since the last run")
    context.update_cursor(delivered)
    # a key of this very tick: files that are taken away and put back are new each time
    return dg.RunRequest(run_key=f"{delivered}-{uuid.uuid4().hex}")


# A fact older than this is stale: the daily run was missed.
FRESH_FOR = timedelta(hours=36)
FRESH = {
    dg.AssetKey(["marts", "fct_nps_responses"]),
    dg.AssetKey(["marts", "fct_nps_by_period"]),
    dg.AssetKey(["published", "generation"]),
}


def with_freshness(assets: Sequence[dg.AssetsDefinition]) -> Sequence[dg.AssetsDefinition]:
    """The same assets, with the facts and the published generation expected to be fresh."""
    policy = dg.FreshnessPolicy.time_window(fail_window=FRESH_FOR)
    return dg.map_asset_specs(
        lambda spec: (
            spec.replace_attributes(freshness_policy=policy) if spec.key in FRESH else spec
        ),
        assets,
    )
