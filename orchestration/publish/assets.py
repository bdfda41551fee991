"""What leaves the warehouse, as Dagster assets: the published generation and the report on it."""

# no `from __future__ import annotations`: Dagster looks at the annotation of `context` itself
import base64
from importlib.metadata import version

import dagster as dg

from orchestration.core.lock import hold_workspace
from orchestration.core.progress import announce, record, timed
from orchestration.warehouse.build_record import built_from, check_gated
from orchestration.warehouse.dbt import (
    prepare_manifest,
    published_tables,
    release_dbt,
    touched_rows,
)
from orchestration.warehouse.inputs import VERSIONS_OF, inputs_hash
from orchestration.warehouse.manifest import read_manifest
from orchestration.workspace.current import current_workspace
from orchestration.workspace.model import Workspace


def output_assets(workspace: Workspace) -> list[dg.AssetsDefinition]:
    """The published files, built from every table that may leave, and the report made of them."""
    tables = published_tables(read_manifest(workspace))

    @dg.asset(
        key=["published", "generation"],
        group_name="published",
        kinds={"duckdb", "parquet"},
        deps=[dg.AssetKey(table.split(".")) for table in tables],
        description=(
            "One generation of the marts, swapped in whole: nps.duckdb, restricted.duckdb, Parquet."
        ),
    )
    def generation(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        from orchestration.publish.publish import publish
        from orchestration.report.page import trend_png

        workspace = current_workspace()
        hold_workspace(workspace.runs)
        release_dbt()
        check_gated(workspace)
        with timed("publish"):
            published = publish(
                workspace,
                inputs_hash=inputs_hash(workspace),
                versions={name.removesuffix("-core"): version(name) for name in VERSIONS_OF},
                tables=tables,
                touched=touched_rows(prepare_manifest(workspace)),
                built_from=built_from(workspace),
                progress=lambda what: announce("publish", what),
            )
        record("generation", published)
        announce("publish", f"generation {published.generation_id} is published")
        plot = base64.b64encode(trend_png(workspace)).decode()
        headline = published.headline or {}
        return dg.MaterializeResult(
            metadata={
                "generation_id": published.generation_id,
                "content_hash": published.content_hash,
                "as_of_on": published.as_of_on,
                "dagster/row_count": sum(published.rows.values()),
                "bytes": sum(published.bytes.values()),
                **{
                    f"headline_{name}": value
                    for name, value in headline.items()
                    if value is not None
                },
                "trend": dg.MetadataValue.md(f"![trend](data:image/png;base64,{plot})"),
            }
        )

    @dg.asset(
        key=["published", "report"],
        group_name="published",
        kinds={"html"},
        deps=[generation],
        description="The page that people read: the score, its trend, its segments, its worth.",
    )
    def report() -> dg.MaterializeResult:
        from orchestration.report.page import write_report

        workspace = current_workspace()
        hold_workspace(workspace.runs)
        with timed("report"):
            path = write_report(workspace)
        announce("report", "the report is written")
        return dg.MaterializeResult(metadata={"path": dg.MetadataValue.path(str(path))})

    return [generation, report]
