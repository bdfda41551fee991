"""When runs start by themselves, how fresh the tables must be, and who hears of a failure."""

from __future__ import annotations

import hashlib
import json
import os
import urllib.request
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import dagster as dg

from orchestration.warehouse.assets import FULL_REFRESH_TAG
from orchestration.workspace.current import current_workspace

if TYPE_CHECKING:
    from orchestration.workspace.model import Workspace

# A run that hangs is marked failed after this many seconds; Dagster never does so unasked.
MAX_RUNTIME = {"dagster/max_runtime": str(6 * 60 * 60)}


@dg.failure_hook(name="tell_of_failure")
def tell_of_failure(context: dg.HookContext) -> None:
    """Post which step of which run failed to the webhook, if the environment names one.

    The message holds names alone: an exception's text may quote data.
    """
    workspace = current_workspace()
    address = os.environ.get(workspace.webhook_env or "")
    if not address:
        return
    text = (
        f"NPS warehouse: step {context.op.name} of {context.job_name} failed (run {context.run_id})"
    )
    try:
        post_webhook(address, text)
    except (OSError, ValueError) as error:
        context.log.warning(f"the webhook did not take the message: {type(error).__name__}")


def post_webhook(address: str, text: str) -> None:
    """Post `{"text": text}` as JSON, the shape that chat tools take.

    Args:
        address: an http or https address.
        text: what to say; no personal data.

    Raises:
        ValueError: the address is of another kind.
        OSError: nobody answers, or with an error.
    """
    if urlsplit(address).scheme not in ("http", "https"):
        raise ValueError("a webhook's address begins with http:// or https://")
    request = urllib.request.Request(  # noqa: S310 - the scheme is checked above
        address,
        data=json.dumps({"text": text}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10):  # noqa: S310
        pass


refresh = dg.define_asset_job(
    "refresh",
    selection=dg.AssetSelection.all(),
    description="Take in what is new, build, judge and publish.",
    hooks={tell_of_failure},
    tags=MAX_RUNTIME | {"dagster/max_retries": "1"},
)

full_refresh = dg.define_asset_job(
    "full_refresh",
    selection=dg.AssetSelection.all(),
    description="The same from the lake alone: the warehouse is removed and built anew.",
    hooks={tell_of_failure},
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
    """Refresh when the content of landing/ is new; the same content never starts a second run."""
    workspace = current_workspace()
    run_key = landing_content(workspace)
    if run_key is None:
        return dg.SkipReason(f"{workspace.landing} holds no file that a source names")
    if run_key == context.cursor:
        return dg.SkipReason("nothing new in landing/")
    context.update_cursor(run_key)
    return dg.RunRequest(run_key=run_key)


def landing_content(workspace: Workspace) -> str | None:
    """One hash over the bytes of every delivered file that a source names; None without any.

    Names and their order have no part in it: a renamed file, or the same one twice, is nothing new.
    """
    from orchestration.lake.landing import landing_files

    contents = set()
    for source in workspace.sources:
        for path in landing_files(workspace, source):
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            contents.add(f"{source.label}\0{content}\n")
    return hashlib.sha256("".join(sorted(contents)).encode()).hexdigest() if contents else None


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
