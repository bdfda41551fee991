"""Write, audit, publish: from the build's files to the generation that BI opens.

A generation is one folder, made under a hidden name; then one rename of the link `current` makes
all of it the published one. Until that rename nothing that a reader can reach has changed, so every
failure before it leaves the old generation in place. The caller holds the workspace's lock.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from orchestration.core.duckdb_session import known_cause, refuse_wal
from orchestration.core.errors import UserError
from orchestration.core.files import append_line, date_file, reason_of, replace, seal, sync
from orchestration.core.progress import announce
from orchestration.core.signals import refuse_to_go_on
from orchestration.publish import folders
from orchestration.publish.copies import audit_file, copy_build, write_parquet_files
from orchestration.publish.generation import MARTS, PARTS, new_stamp, read_generation, read_trusted
from orchestration.publish.ledger import Generation, read_ledger, record_published, sizes
from orchestration.warehouse.build_record import state_of_build
from orchestration.workspace.model import Workspace
from orchestration.workspace.writable import check_writable

UNTOUCHED = "the generation published before is untouched"


def publish(
    workspace: Workspace,
    *,
    inputs_hash: str,
    versions: Mapping[str, str],
    tables: Collection[str] | None = None,
    changed: Mapping[str, str] | None = None,
    built_from: str | None = None,
    report: Callable[[Path, Path], object] | None = None,
) -> Generation:
    """Publish the build as a new generation, or raise a UserError and leave the old one.

    Args:
        workspace: whose build is read and whose `published` is written.
        inputs_hash: hash of what the build was made from.
        versions: versions by name, such as dbt's; DuckDB's own is added.
        tables: `<schema>.<table>` of all that the build's files must hold; None: whatever they do.
        changed: by `<schema>.<table>`, the SQL condition of the rows that a batch replaces.
        built_from: the inputs_hash of the build that this one went on from; None for a full build.
        report: called with the new generation's nps.duckdb and the folder to write the report into.
    """
    with _step("sweeping leftovers"):
        previous = _prepare(workspace)
        stamp = new_stamp(workspace, inputs_hash, versions, built_from)
    published, generation_id = workspace.published, stamp["generation_id"]
    folder = folders.generation_folder(published, f".{generation_id}")
    before = folders.generation_ids(published)
    try:
        with _step("copying the build"):
            folder.parent.mkdir(exist_ok=True)
            folder.mkdir(mode=0o700)  # nobody else may look in before the files have their modes
            rows, unchanged = copy_build(workspace, folder, stamp, tables, changed or {})
        for part in PARTS:
            with _step(f"auditing {part.file_name}"):
                audit_file(workspace, part, folder / part.file_name, rows[part], unchanged)
        if workspace.publish.parquet:
            with _step("writing Parquet"):
                write_parquet_files(workspace, folder, generation_id, unchanged)
        if report:
            with _step("writing the report"):
                report(folder / MARTS.file_name, folder / "report")
        with _step("switching to the new generation"):
            _finish(folder, stamp["built_at"])
            refuse_to_go_on()
            replace(folder, folders.generation_folder(published, generation_id))
            folders.turn(published, generation_id)
    except BaseException:
        # Frees the disk; what this can't do now (a kill, a full disk) the next run's sweep does.
        with suppress(OSError):
            folders.sweep(published, before)
        raise
    outcome = f"generation {generation_id} is published, and the next run adds its ledger line"
    with _step("recording the generation", outcome):
        record_published(workspace)
        folders.sweep(published, {previous})
    return _of_line(read_ledger(workspace)[-1])


def unchanged_generation(workspace: Workspace, inputs_hash: str) -> Generation | None:
    """The published generation, if publishing the build would only repeat it.

    It was published from these inputs and this build, by this code, and its files are as they were
    left; or a generation of these inputs was rolled back to it. None: publish the build.
    """
    published, lines = workspace.published, read_ledger(workspace)
    found = folders.current_id(published)
    of_current = [line for line in lines if line.get("generation_id") == found]
    if found is None or not of_current:
        return None
    generation = _of_line(of_current[-1])
    if lines[-1].get("rolled_back_to") == found:
        return generation if lines[-1].get("inputs_hash") == inputs_hash else None
    expected = (inputs_hash, state_of_build(workspace))
    rows = [read_trusted(workspace, part) for part in PARTS]
    is_unchanged = (
        all(r and (r["inputs_hash"], r["state"].get("build")) == expected for r in rows)
        and sizes(published) == generation.bytes
        and workspace.publish.parquet == bool(generation.bytes["parquet"])
        and (published / "report").exists()
    )
    return generation if is_unchanged else None


def _of_line(line: Mapping[str, Any]) -> Generation:
    return Generation._make(line.get(name) for name in Generation._fields)


def rollback(workspace: Workspace) -> str:
    """Turn the link back to the generation before the published one, and return its id."""
    published = workspace.published
    with _step("rolling back"):
        current = _prepare(workspace)
        earlier = [
            found for found in folders.generation_ids(published) if current and found < current
        ]
        if not earlier:
            raise UserError(f"{published}: there is no earlier generation to go back to")
        folder = folders.generation_folder(published, earlier[-1])
        for part in PARTS:
            read_generation(folder / part.file_name, part.schema)
        withdrawn = read_generation(published / MARTS.file_name, MARTS.schema)
        folders.turn(published, folder.name)
    line = {
        "rolled_back_at": datetime.now(UTC).isoformat(),
        "rolled_back_from": current,
        "rolled_back_to": folder.name,
        "inputs_hash": withdrawn["inputs_hash"],
    }
    with _step("recording the rollback", f"generation {folder.name} is published"):
        append_line(published / "ledger.jsonl", line)
    return folder.name


def _prepare(workspace: Workspace) -> str | None:
    """Bring `published/` into the state that the last run should have left; the generation's id."""
    check_writable(workspace)
    published = workspace.published
    folders.sweep(published, {line.get("generation_id") for line in read_ledger(workspace)})
    folders.take_over(published)
    with suppress(duckdb.Error):  # a file that can't be read is replaced
        record_published(workspace)
    for part in PARTS:
        refuse_wal(published / part.file_name)
        refuse_wal(published / "current" / part.file_name)
    return folders.current_id(published)


def _finish(folder: Path, built_at: datetime) -> None:
    """Give a generation's files their modes and times, and fsync all of it."""
    for part in PARTS:
        date_file(folder / part.file_name, built_at)
        seal(folder / part.file_name, part.mode)
    for path in (folder / "report").rglob("*"):
        sync(path)
    folder.chmod(0o755)
    sync(folder)


@contextmanager
def _step(what: str, outcome: str = UNTOUCHED) -> Iterator[None]:
    """Announce a step; turn what goes wrong in it into one line that ends with the outcome."""
    announce("publish", what)
    try:
        yield
    except UserError as error:
        raise UserError(f"{error}; {outcome}") from error
    except (OSError, duckdb.Error) as error:
        reason = known_cause(str(error)) or f"{reason_of(error)}; fix it and run again"
        raise UserError(f"publishing stopped while {what}: {reason}; {outcome}") from error
