"""What leaves the warehouse, as Dagster assets: the published generation and the report in it."""

# no `from __future__ import annotations`: Dagster looks at the annotation of `context` itself
import base64
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import dagster as dg

from orchestration.core.lock import hold_workspace
from orchestration.core.progress import announce, record, timed
from orchestration.publish.ledger import Generation
from orchestration.sending.send import send_actions
from orchestration.warehouse.assets import FORCE_TAG, FULL_REFRESH_TAG
from orchestration.warehouse.build_record import (
    built_from,
    check_gated,
    rows_changed_by_batch,
)
from orchestration.warehouse.dbt import (
    prepare_manifest,
    published_tables,
    release_dbt,
)
from orchestration.warehouse.inputs import VERSIONS_OF, inputs_hash
from orchestration.warehouse.manifest import read_manifest
from orchestration.workspace.current import current_workspace
from orchestration.workspace.model import Workspace

GENERATION = dg.AssetKey(["published", "generation"])
REPORT = dg.AssetKey(["published", "report"])


def output_assets(workspace: Workspace) -> list[dg.AssetsDefinition]:
    """The published generation, made from every table that may leave, and the report in it."""
    tables = published_tables(read_manifest(workspace))

    @dg.multi_asset(
        name="publish",
        specs=[
            dg.AssetSpec(
                GENERATION,
                group_name="published",
                kinds={"duckdb", "parquet"},
                deps=[dg.AssetKey(table.split(".")) for table in tables],
                description=(
                    "One generation of the marts, published by one rename: nps.duckdb, "
                    "restricted.duckdb, Parquet, the report."
                ),
            ),
            dg.AssetSpec(
                REPORT,
                group_name="published",
                kinds={"html"},
                deps=[GENERATION],
                description=(
                    "The page that people read: the score, its trend, its segments, its worth."
                ),
            ),
        ],
    )
    def publication(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
        workspace = current_workspace()
        hold_workspace(workspace.runs)
        release_dbt()
        check_gated(workspace)
        with timed("publish"):
            forced = "true" in map(context.run.tags.get, (FORCE_TAG, FULL_REFRESH_TAG))
            published = publish_build(workspace, tables, force=forced)
        record("generation", published)
        if sent := send_actions(workspace):
            announce("send", sent.line)
            record("sent", sent.line)
        yield dg.MaterializeResult(asset_key=GENERATION, metadata=_metadata(workspace, published))
        page = workspace.published / "report" / "index.html"
        path = dg.MetadataValue.path(str(page))
        yield dg.MaterializeResult(asset_key=REPORT, metadata={"path": path})

    return [publication]


def publish_build(
    workspace: Workspace, tables: tuple[str, ...], *, force: bool = False
) -> Generation:
    """Publish the build with its report, unless that would repeat the published generation.

    Args:
        workspace: whose build passed the gate.
        tables: the tables to publish, as `<schema>.<table>`.
        force: publish in any case.

    Returns:
        The generation now published.
    """
    from orchestration.publish.publish import publish, unchanged_generation
    from orchestration.report.page import write_report

    inputs = inputs_hash(workspace)
    unchanged = None if force else unchanged_generation(workspace, inputs)
    if unchanged:
        announce("publish", f"unchanged since {unchanged.generation_id}")
        return unchanged

    def report(database: Path, folder: Path) -> None:
        write_report(workspace, database=database, folder=folder)

    published = publish(
        workspace,
        inputs_hash=inputs,
        versions={name.removesuffix("-core"): version(name) for name in VERSIONS_OF},
        tables=tables,
        changed=rows_changed_by_batch(workspace, prepare_manifest(workspace)),
        built_from=built_from(workspace),
        report=report,
    )
    announce("publish", f"generation {published.generation_id} is published")
    return published


def _metadata(workspace: Workspace, published: Generation) -> dict[str, object]:
    from orchestration.report.page import trend_png

    plot = base64.b64encode(trend_png(workspace)).decode()
    headline = published.headline or {}
    return {
        "generation_id": published.generation_id,
        "as_of_on": published.as_of_on,
        "dagster/row_count": sum(published.rows.values()),
        "bytes": sum(published.bytes.values()),
        **{f"headline_{name}": value for name, value in headline.items() if value is not None},
        "trend": dg.MetadataValue.md(f"![trend](data:image/png;base64,{plot})"),
    }
