"""Prepare the lake for a run: folders, settings, and the removal of leftovers."""

from __future__ import annotations

from orchestration.core.atomic_write import TEMPORARY, parquet_bytes, write_if_changed
from orchestration.core.files import remove
from orchestration.lake import packs
from orchestration.lake.damage import check_footers
from orchestration.lake.manifest import Manifest, files_table
from orchestration.lake.rawfile import lake_schema
from orchestration.lake.rejects import REJECTED_SCHEMA
from orchestration.lake.session import clear_errors, remove_files
from orchestration.lake.settings import write_settings
from orchestration.workspace.entities import ENTITIES
from orchestration.workspace.model import Workspace


def prepare_lake(workspace: Workspace, *, compact: bool = True) -> None:
    """Create the lake's folders and settings, and remove leftovers.

    Temporary files of crashes are removed, and small Parquet files are merged. The rows of a source
    that is no longer declared leave the lake; its bytes stay in the archive, and are read again
    when it is declared again.

    Args:
        workspace: the workspace.
        compact: whether to merge small Parquet files; do so before ingest, so that new files stay
            separate during the run that brings them.

    Raises:
        UserError: when the workspace cannot be written, or a Parquet file of the lake is damaged.
    """
    with clear_errors(f"lake below {workspace.root}"):
        for folder in (workspace.landing, workspace.archive, workspace.manifest_dir):
            folder.mkdir(parents=True, exist_ok=True)
        # only the owner may read folders with personal data
        for folder in (workspace.lake, workspace.warehouse_dir, workspace.runs):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)
        for entity in ENTITIES:
            content = parquet_bytes(lake_schema(entity).empty_table())
            write_if_changed(workspace.raw / entity / "_schema.parquet", content)
        content = parquet_bytes(REJECTED_SCHEMA.empty_table())
        write_if_changed(workspace.rejected / "_schema.parquet", content)
        manifest = Manifest.load(workspace.manifest_file)
        _retire_undeclared(workspace, manifest)
        check_footers(workspace)
        _sweep(workspace, manifest)
        if compact:
            packs.compact(workspace, manifest)
        write_settings(workspace)
        write_files_table(workspace)


def write_files_table(workspace: Workspace) -> None:
    """Write ``lake/manifest/files.parquet`` from the manifest, if that changes it."""
    with clear_errors(f"lake below {workspace.root}"):
        manifest = Manifest.load(workspace.manifest_file)
        content = parquet_bytes(files_table(manifest))
        write_if_changed(workspace.manifest_dir / "files.parquet", content)


def _retire_undeclared(workspace: Workspace, manifest: Manifest) -> None:
    declared = {(source.name, source.entity) for source in workspace.sources}
    for state in list(manifest.states.values()):
        # a withdrawn file stays withdrawn, should its source be declared again
        is_out = state.status in ("retired", "withdrawn")
        if not is_out and (state.source, state.entity) not in declared:
            manifest.append(state, "retired")
            remove_files(workspace, state)


def _sweep(workspace: Workspace, manifest: Manifest) -> None:
    """Remove temporary files, and Parquet files that are not in the manifest."""
    folders = [workspace.lake, workspace.archive, workspace.manifest_dir, workspace.settings_dir]
    folders += [workspace.raw, workspace.rejected]
    folders += [top / entity for top in (workspace.raw, workspace.rejected) for entity in ENTITIES]
    for folder in folders:
        for path in folder.glob(f"{TEMPORARY}*"):
            remove(path)
    # A killed process leaves spilled rows with personal data. Those beside the build are removed
    # with it, by the full build that follows a kill.
    remove(workspace.spill)
    packs.repair(workspace, manifest)
