"""The lake as Dagster assets: one for each source and entity, and one for each canonical entity."""

# no `from __future__ import annotations`: Dagster looks at the annotation of `context` itself
from collections.abc import Callable, Iterator, Sequence

import dagster as dg

from orchestration.core.lock import hold_workspace
from orchestration.core.progress import announce, record, timed
from orchestration.core.sql import literal
from orchestration.lake.names import printable
from orchestration.workspace.current import current_workspace
from orchestration.workspace.entities import ENTITIES, SETTINGS_TABLES
from orchestration.workspace.model import Source, Workspace

# The views that are no entity: what became of files, and how the business counts.
LAKE_TABLES = (
    "files",
    "rejected_rows",
    "built_files",
    "last_build",
    "published_figures",
    *SETTINGS_TABLES,
)


def ingest_key(source: Source) -> dg.AssetKey:
    """The key of what one source delivers of one entity."""
    return dg.AssetKey(["ingest", source.name, source.entity])


def ingest_assets(
    workspace: Workspace, before_run: Callable[[Workspace], None]
) -> Sequence[dg.AssetsDefinition]:
    """One asset for each entry of workspace.yml: its delivered files, taken into the lake.

    Args:
        workspace: whose sources they are.
        before_run: called once before the first source of a run is ingested.
    """
    return [_ingest_asset(source, before_run) for source in workspace.sources]


def _ingest_asset(source: Source, before_run: Callable[[Workspace], None]) -> dg.AssetsDefinition:
    # no retry policy: Dagster applies it to interrupts, too, and would start the step again
    @dg.asset(
        key=ingest_key(source),
        group_name="ingest",
        kinds={"parquet"},
        description=(
            f"Files {source.files} of landing/{source.name}, read as {source.entity}: "
            "archived by their bytes, their rows as Parquet."
        ),
    )
    def ingest(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        from orchestration.lake.ingest import ingest_source

        workspace = current_workspace()
        hold_workspace(workspace.runs)
        with timed("ingest"):
            _prepare_once(workspace, context.run_id, before_run)
            result = ingest_source(workspace, source)
        record("ingest", result)
        announce(
            "ingest",
            f"{source.name}/{source.entity}: {result.files_found} files "
            f"({result.files_new} new, {result.files_quarantined} quarantined), "
            f"{result.rows_loaded:,} rows loaded, {result.rows_rejected:,} rejected",
        )
        for problem in result.problems:
            announce(
                "quarantine",
                f"{source.name}/{source.entity}: {problem.file_name}: "
                f"{problem.reason}: {problem.message}",
            )
        if result.files_gone:
            first, *others = result.files_gone
            announce(
                "ingest",
                f"{source.name}/{source.entity}: {printable(first)}"
                f"{f' and {len(others):,} more' if others else ''}: no longer in landing, which "
                "takes no rows out; `nps withdraw FILE` does",
            )
        problems = [vars_of(problem) for problem in result.problems]
        return dg.MaterializeResult(
            metadata={
                "files_found": result.files_found,
                "files_new": result.files_new,
                "files_quarantined": result.files_quarantined,
                "rows_delivered": result.rows_delivered,
                "dagster/row_count": result.rows_loaded,
                "rows_rejected": result.rows_rejected,
                "rows_blank": result.rows_blank,
                "problems": dg.MetadataValue.json(problems),
                "warnings": dg.MetadataValue.json(list(result.warnings)),
            }
        )

    return ingest


def lake_assets(
    workspace: Workspace, write_other_tables: Callable[[Workspace], None]
) -> dg.AssetsDefinition:
    """The canonical entities and the lake's other tables, keyed as dbt's sources are.

    Args:
        workspace: whose sources deliver the entities.
        write_other_tables: writes the tables of later stages that dbt reads from the lake.
    """

    def delivered(entity: str) -> list[dg.AssetKey]:
        return [ingest_key(source) for source in workspace.sources if source.entity == entity]

    everything = [ingest_key(source) for source in workspace.sources]
    specs = [
        *(
            dg.AssetSpec(
                ["raw", entity],
                deps=delivered(entity),
                group_name="raw",
                kinds={"parquet"},
                description=f"All that was delivered as {entity}, as text with its provenance.",
            )
            for entity in ENTITIES
        ),
        *(
            dg.AssetSpec(
                ["raw", table],
                deps=everything,
                group_name="raw",
                kinds={"parquet"},
                description=f"The lake's table {table}: see models/staging/_raw__sources.yml.",
            )
            for table in LAKE_TABLES
        ),
    ]

    @dg.multi_asset(specs=specs, name="lake")
    def lake() -> Iterator[dg.MaterializeResult]:
        from orchestration.lake.landing import check_anything_delivered, unclaimed_files
        from orchestration.lake.prepare import prepare_lake, write_files_table

        workspace = current_workspace()
        hold_workspace(workspace.runs)
        check_anything_delivered(workspace)
        with timed("ingest"):
            prepare_lake(workspace, compact=False)
            write_files_table(workspace)
            write_other_tables(workspace)
        for name in unclaimed_files(workspace):
            announce("ingest", f"landing/{name}: no source of workspace.yml names this file")
        rows = _rows_of_entities(workspace)
        for entity in ENTITIES:
            yield dg.MaterializeResult(
                asset_key=["raw", entity], metadata={"dagster/row_count": rows.get(entity, 0)}
            )
        for table in LAKE_TABLES:
            yield dg.MaterializeResult(asset_key=["raw", table])

    return lake


_prepared_for: set[str] = set()


def _prepare_once(
    workspace: Workspace, run_id: str, before_run: Callable[[Workspace], None]
) -> None:
    """Prepare the lake at the first source of a run, not again at each."""
    from orchestration.lake.prepare import prepare_lake

    if run_id not in _prepared_for:
        before_run(workspace)
        prepare_lake(workspace)
        _prepared_for.add(run_id)


def _rows_of_entities(workspace: Workspace) -> dict[str, int]:
    import duckdb

    return dict(
        duckdb.sql(
            "select entity, cast(sum(rows_loaded) as bigint) "
            f"from {literal(workspace.manifest_dir / 'files.parquet')} group by entity"
        ).fetchall()
    )


def vars_of(problem: object) -> dict[str, str]:
    """A file's problem as plain text: its name, reason and message."""
    return {name: str(value) for name, value in vars(problem).items()}
