"""What leaves the warehouse, as Dagster assets: the published generation and the report on it."""

# no `from __future__ import annotations`: Dagster looks at the annotation of `context` itself
import base64
import hashlib
from importlib.metadata import version

import dagster as dg

from orchestration.context import PROJECT_DIR, current_workspace
from orchestration.lock import hold_workspace
from orchestration.progress import announce, record, timed
from orchestration.transform import SOURCES_OF_DBT, prepare_manifest, published_tables
from orchestration.workspace import Workspace

VERSIONS_OF = ("dbt-core", "dbt-duckdb", "duckdb", "dagster", "great-expectations")


def output_assets(workspace: Workspace) -> list[dg.AssetsDefinition]:
    """The published files, built from every table that may leave, and the report made of them."""
    tables = published_tables(prepare_manifest(workspace))

    @dg.asset(
        key=["published", "generation"],
        group_name="published",
        kinds={"duckdb", "parquet"},
        deps=[dg.AssetKey(table.split(".")) for table in tables],
        description="One generation of the marts, swapped in whole: nps.duckdb, restricted.duckdb, Parquet.",
    )
    def generation(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        from expectations.validate import release_dbt
        from orchestration.publish import publish
        from orchestration.report import trend_png

        workspace = current_workspace()
        hold_workspace(workspace.runs)
        release_dbt()
        with timed("publish"):
            published = publish(
                workspace,
                inputs_hash=inputs_hash(workspace),
                versions={name: version(name) for name in VERSIONS_OF},
                tables=tables,
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
                **{f"headline_{name}": value for name, value in headline.items() if value is not None},
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
        from orchestration.report import build_report

        workspace = current_workspace()
        hold_workspace(workspace.runs)
        with timed("report"):
            path = build_report(workspace)
        announce("report", "the report is written")
        return dg.MaterializeResult(metadata={"path": dg.MetadataValue.path(str(path))})

    return [generation, report]


def inputs_hash(workspace: Workspace) -> str:
    """SHA-256 of all that a build is a function of: the lake's files, the settings, the models."""
    import duckdb

    digest = hashlib.sha256()
    files = duckdb.sql(
        "select source, entity, file_sha256, mapping_version from read_parquet($file) order by all",
        params={"file": str(workspace.manifest_dir / "files.parquet")},
    ).fetchall()
    digest.update(repr(files).encode())
    digest.update(repr(workspace.as_of_on).encode())
    digest.update((workspace.root / "workspace.yml").read_bytes())
    for name in SOURCES_OF_DBT:
        place = PROJECT_DIR / name
        for path in sorted([place] if place.is_file() else place.rglob("*")):
            if path.is_file():
                digest.update(str(path.relative_to(PROJECT_DIR)).encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()
