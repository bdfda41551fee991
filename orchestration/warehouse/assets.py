"""dbt's models as Dagster assets: dagster-dbt translates the events of dbt in this process."""

# no `from __future__ import annotations`: Dagster looks at the annotation of `context` itself
from collections.abc import Iterator
from typing import Any

import dagster as dg

from orchestration.core.lock import hold_workspace
from orchestration.core.progress import announce, timed
from orchestration.warehouse.build import build_models, unchanged_build
from orchestration.warehouse.database import open_build
from orchestration.warehouse.dbt import FAILED, prepare_manifest, release_dbt
from orchestration.warehouse.manifest import read_manifest
from orchestration.workspace.current import current_workspace
from orchestration.workspace.model import Workspace

FULL_REFRESH_TAG = "nps/full_refresh"
# Marks a run that publishes even what is published already.
FORCE_TAG = "nps/force"


def dbt_models(workspace: Workspace) -> dg.AssetsDefinition:
    """The assets of every seed and model, with dbt's tests as their checks."""
    from dagster_dbt import DagsterDbtTranslator, dbt_assets

    manifest = read_manifest(workspace)

    class Translator(DagsterDbtTranslator):
        """Leaves out the sources `previous_*`: Dagster's graph of assets admits no cycles."""

        def get_asset_spec(self, *args: Any, **kwargs: Any) -> dg.AssetSpec:
            spec = super().get_asset_spec(*args, **kwargs)
            deps = [dep for dep in spec.deps if not dep.asset_key.path[0].startswith("previous_")]
            return spec.replace_attributes(deps=deps)

    # no retry of the step: a failing model fails again, and an interrupt must not restart it
    @dbt_assets(manifest=manifest, name="dbt_models", dagster_dbt_translator=Translator())
    def models(context: dg.AssetExecutionContext) -> Iterator[Any]:
        """Build every model and run its data tests; a failed one stops what depends on it."""
        from dagster_dbt.core.dbt_cli_event import DbtCoreCliEventMessage

        workspace = current_workspace()
        hold_workspace(workspace.runs)
        full_refresh = context.run.tags.get(FULL_REFRESH_TAG) == "true"
        release_dbt()
        with timed("transform"):
            prepare_manifest(workspace)  # the definitions may know another one
            events = None if full_refresh else unchanged_build(workspace)
            if events is None:
                events = build_models(workspace, full_refresh=full_refresh)
                release_dbt()
            else:
                announce("transform", "nothing changed since the last build, which stays")
        rows = _row_counts(workspace)
        for event in events:
            message = DbtCoreCliEventMessage(raw_event=event, event_history_metadata={})
            for result in message.to_default_asset_events(manifest=manifest, context=context):
                if _is_asked_for(result, context):
                    yield _with_rows(result, event, rows)
        failed = [
            f"{event['data']['node_info']['node_name']}: {event['data'].get('reason', 'failed')}"
            for event in events
            if event["data"]["node_info"]["node_status"] in FAILED
        ]
        if failed:
            raise dg.Failure(f"dbt: {'; '.join(failed)}")

    return models


def _row_counts(workspace: Workspace) -> dict[str, int]:
    """Rows of every table of the build, by `<schema>.<table>`, as the catalogues have them."""
    with open_build(workspace) as connection:
        return {
            f"{schema}.{table}": rows
            for schema, table, rows in connection.execute(
                "select schema_name, table_name, estimated_size from duckdb_tables()"
            ).fetchall()
        }


def _is_asked_for(result: Any, context: dg.AssetExecutionContext) -> bool:
    """Whether the run selected it: dbt builds all, so that no model is of another generation."""
    if isinstance(result, dg.Output):
        return result.output_name in context.op_execution_context.selected_output_names
    return True


def _with_rows(result: Any, event: dict[str, Any], rows: dict[str, int]) -> Any:
    relation = event["data"]["node_info"].get("node_relation") or {}
    count = rows.get(f"{relation.get('schema')}.{relation.get('alias')}")
    if isinstance(result, dg.Output) and count is not None:
        return result.with_metadata({**result.metadata, "dagster/row_count": count})
    return result
