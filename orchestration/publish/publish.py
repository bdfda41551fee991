"""Write, audit, publish: from the build's files to the generation that BI opens.

A generation is one folder. It is made under a hidden name from copies of the build's files, read
back and compared with the build, and given its name; then one rename of the link `current` makes
all of it the published one (see `orchestration.publish.folders`). Until that rename nothing that a
reader can reach has changed, so every failure before it leaves the old generation in place.

The caller holds the workspace's lock: two publications at once are not handled here.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from orchestration.core.errors import UserError
from orchestration.core.files import (
    DISK_FULL,
    date_file,
    is_dated,
    reason_of,
    replace,
    seal,
    sync,
    wal_file,
)
from orchestration.publish.audit import audit_file
from orchestration.publish.copies import copy_build, refuse_wal
from orchestration.publish.folders import (
    LINKS,
    current_id,
    drop_dangling_links,
    generation_folder,
    generation_ids,
    hidden_folder,
    link_names,
    prune,
    sweep,
    take_over,
    turn,
)
from orchestration.publish.generation import (
    MARTS,
    PARTS,
    RESTRICTED,
    UNTOUCHED,
    Generation,
    ledger_record,
    open_published,
    published_generation,
    read_generation,
    reconcile_ledger,
)
from orchestration.publish.ledger import append_line, read_ledger
from orchestration.publish.parquet import write_parquet
from orchestration.warehouse.build_record import state_of_build
from orchestration.warehouse.database import build_files

if TYPE_CHECKING:
    from orchestration.workspace.model import Workspace

__all__ = [
    "MARTS",
    "RESTRICTED",
    "Generation",
    "check_writable",
    "open_published",
    "publish",
    "published_generation",
    "reconcile_ledger",
    "rollback",
    "unchanged_generation",
]

Progress = Callable[[str], None]
Report = Callable[[Path, Path], object]


def publish(
    workspace: Workspace,
    *,
    inputs_hash: str,
    versions: Mapping[str, str],
    tables: Collection[str] | None = None,
    changed: Mapping[str, str] | None = None,
    built_from: str | None = None,
    report: Report | None = None,
    progress: Progress | None = None,
    wait_seconds: float = 10,
) -> Generation:
    """Publish the build as a new generation, or leave the old one and say why.

    Args:
        workspace: whose build is read and whose `published` is written.
        inputs_hash: hash of what the build was made from; goes to `_generation` and the ledger.
        versions: versions by name, such as dbt's and duckdb's; DuckDB's own is added.
        tables: the tables to publish as `<schema>.<table>`; another one in the build's files, or a
            missing one, is an error. None publishes every table.
        changed: by `<schema>.<table>`, a SQL condition on the table's columns that holds for every
            row which a batch replaces. The texts run as they are: they are the program's own.
        built_from: the inputs_hash of the build that this one went on from; None for a full build.
        report: called with the new generation's nps.duckdb and the folder to write the report into.
        progress: called with a few words before each step.
        wait_seconds: how long to wait for a program that has the build open for writing.

    Returns:
        The generation now published.

    Raises:
        UserError: nothing was published and the old generation is in place; or (the message
            says so) the generation is published but its line in the ledger could not be written,
            which the next run does.
    """
    published = workspace.published
    with _step("sweeping leftovers", progress):
        _prepare(workspace)
        _check_build(workspace)
        previous = current_id(published)
    stamp = _new_stamp(workspace, inputs_hash, versions)
    generation_id = stamp["generation_id"]
    folder = hidden_folder(published, generation_id)
    try:
        with _step("copying the build", progress):
            folder.mkdir(parents=True)
            built = copy_build(
                workspace,
                folder,
                stamp,
                tables=tables,
                changed=changed or {},
                built_from=built_from,
                wait_seconds=wait_seconds,
            )
        for part in PARTS:
            with _step(f"auditing {part.file_name}", progress):
                made = built[part]
                audit_file(workspace, part, folder / part.file_name, made.rows, made.unchanged)
        if workspace.publish.parquet:
            with _step("writing Parquet", progress):
                before = generation_folder(published, previous) if previous else None
                unchanged = built[MARTS].unchanged
                write_parquet(workspace, folder, generation_id, before, unchanged)
        if report:
            with _step("writing the report", progress):
                report(folder / MARTS.file_name, folder / "report")
        with _step("switching to the new generation", progress):
            _finish(folder, stamp["built_at"].replace(tzinfo=UTC))
            replace(folder, generation_folder(published, generation_id))
            link_names(published, [name for name in LINKS if _has(published, generation_id, name)])
            turn(published, generation_id)
    except BaseException:
        # Frees the disk; what this can't do now (a kill, a full disk) the next run's sweep does.
        with suppress(OSError):
            sweep(workspace)
        raise
    return _record(workspace, generation_id, keep={previous, generation_id})


def unchanged_generation(workspace: Workspace, inputs_hash: str) -> Generation | None:
    """The published generation, if publishing the build would only repeat it.

    It was published from these inputs and this very build, by this code, and its files are as they
    were left; or it was rolled back to from a generation of these inputs, which is not published
    again unasked.

    Returns:
        None: the build is to be published.
    """
    published = workspace.published
    lines = read_ledger(workspace)
    found = current_id(published)
    of_current = [line for line in lines if line.get("generation_id") == found]
    if found is None or not of_current:
        return None
    generation = Generation(
        **{name: of_current[-1].get(name) for name in Generation.__dataclass_fields__}
    )
    last = lines[-1]
    if last.get("rolled_back_to") == found:
        return generation if last.get("inputs_hash") == inputs_hash else None
    try:
        for part in PARTS:
            path = published / part.file_name
            row = read_generation(path, part.schema)
            state = row["state"]
            if (
                row["inputs_hash"] != inputs_hash
                or state.get("build") != state_of_build(workspace)
                or state.get("publisher") != _publisher()
                or not is_dated(path, row["built_at"])
                or wal_file(path).exists()
            ):
                return None
    except (duckdb.Error, OSError, ValueError):
        return None
    names = {name.removeprefix("marts.") for name in generation.rows if name.startswith("marts.")}
    files = {path.parent.name for path in (published / "parquet").glob("*/*.parquet")}
    has_parquet = names <= files if workspace.publish.parquet else not files
    return generation if has_parquet and (published / "report").exists() else None


def rollback(workspace: Workspace) -> str:
    """Turn the link back to the generation before the published one, and note it in the ledger.

    Returns:
        The id of the generation now published.

    Raises:
        UserError: there is no earlier generation, or its file can't be read.
    """
    published = workspace.published
    with _step("rolling back", None):
        _prepare(workspace)
        current = current_id(published)
        earlier = [found for found in generation_ids(published) if current and found < current]
        if current is None or not earlier:
            raise UserError(f"{published}: there is no earlier generation to go back to")
        target = generation_folder(published, earlier[-1])
        for part in PARTS:
            read_generation(target / part.file_name, part.schema)
        withdrawn = read_generation(published / MARTS.file_name, MARTS.schema)
        turn(published, earlier[-1])
        drop_dangling_links(published)
        link_names(published, [name for name in LINKS if _has(published, earlier[-1], name)])
        line = {
            "rolled_back_at": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
            "rolled_back_from": current,
            "rolled_back_to": earlier[-1],
            "inputs_hash": withdrawn["inputs_hash"],
        }
        append_line(published / "ledger.jsonl", line)
    return earlier[-1]


def check_writable(workspace: Workspace) -> None:
    """Refuse, before anything is built, a workspace that could not be published into.

    Makes the folders that are missing. A mode alone says too little (read-only mounts, quotas,
    other users' folders), so a small file is really written to each.

    Raises:
        UserError: one line for each folder that can't be written to.
    """
    problems = []
    for folder in (workspace.lake, workspace.warehouse_dir, workspace.published, workspace.runs):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=folder, prefix=".tmp-") as probe:
                probe.write(b"x" * 4096)
                probe.flush()
                os.fsync(probe.fileno())
        except OSError as error:
            problems.append(
                f"{folder}: not writable ({reason_of(error)}); give this user the right to write "
                "there, or point NPS_WORKSPACE to another folder"
            )
    problems += _link_problem(workspace.published)
    if problems:
        raise UserError("\n".join(problems))


# --- steps --------------------------------------------------------------------------------------


def _prepare(workspace: Workspace) -> None:
    """Bring `published/` into the state that the last finished run left or should have left."""
    published = workspace.published
    published.mkdir(parents=True, exist_ok=True)
    for problem in _link_problem(published):
        raise UserError(f"{problem}; {UNTOUCHED}")
    sweep(workspace)
    take_over(published)
    reconcile_ledger(workspace)
    for part in PARTS:
        for folder in (published, published / "current"):
            refuse_wal(folder / part.file_name)


def _check_build(workspace: Workspace) -> None:
    """Refuse a build that is missing or that its last writer did not close."""
    for path in build_files(workspace).values():
        if not path.exists():
            raise UserError(f"{path}: there is no build to publish; run `nps run` first")
        if wal_file(path).exists():
            # DuckDB could replay it, but a writer that died left models of mixed builds
            raise UserError(
                f"{wal_file(path)}: the build was not closed by its last writer, so it may be half "
                f"done; run `nps run` again to repair it; {UNTOUCHED}"
            )


def _new_stamp(
    workspace: Workspace, inputs_hash: str, versions: Mapping[str, str]
) -> dict[str, Any]:
    """The row of `_generation`."""
    built_at = datetime.now(UTC)
    return {
        # Time first, so that ids sort as they were published; the rest keeps them apart.
        "generation_id": f"{built_at:%Y%m%dT%H%M%S%fZ}-{uuid.uuid4().hex[:8]}",
        "built_at": built_at.replace(tzinfo=None),
        "as_of_on": workspace.as_of_on,
        "inputs_hash": inputs_hash,
        "versions": {"duckdb": duckdb.__version__} | dict(versions),
        "state": {"build": state_of_build(workspace), "publisher": _publisher()},
    }


def _finish(folder: Path, built_at: datetime) -> None:
    """Give a generation's files their modes and times, and fsync all of it."""
    for part in PARTS:
        date_file(folder / part.file_name, built_at)
        seal(folder / part.file_name, part.mode)
    for path in (folder / "report").rglob("*"):
        sync(path)
    folder.chmod(0o755)
    sync(folder)


def _record(workspace: Workspace, generation_id: str, keep: Collection[str | None]) -> Generation:
    """Write the ledger line of the generation just published, and prune the older ones."""
    published = workspace.published
    try:
        drop_dangling_links(published)
        record = ledger_record(workspace)
        append_line(published / "ledger.jsonl", record)
        prune(published, keep)
    except (OSError, duckdb.Error) as error:
        raise UserError(
            f"{published / 'ledger.jsonl'}: generation {generation_id} is published, but what "
            f"follows could not be finished ({reason_of(error)}); the next run writes its line in "
            "the ledger and tidies up"
        ) from error
    return Generation(**record)


# --- small things -----------------------------------------------------------------------------


@contextmanager
def _step(what: str, progress: Progress | None) -> Iterator[None]:
    """Announce a step; turn what goes wrong in it into one clear line."""
    if progress:
        progress(what)
    try:
        yield
    except (OSError, duckdb.Error) as error:
        reason = reason_of(error)
        fix = "free some space and run again" if reason == DISK_FULL else "fix it and run again"
        raise UserError(f"publishing stopped while {what}: {reason}; {fix}; {UNTOUCHED}") from error


def _has(published: Path, generation_id: str, name: str) -> bool:
    return (generation_folder(published, generation_id) / name).exists()


def _link_problem(published: Path) -> list[str]:
    """A line when a real folder stands where the link to the Parquet files belongs."""
    path = published / "parquet"
    if path.is_dir() and not path.is_symlink():
        return [f"{path}: is a folder where a link belongs; move it away"]
    return []


@lru_cache(maxsize=1)
def _publisher() -> str:
    """A hash of the code that decides what a generation holds and how it is searched."""
    digest = hashlib.sha256()
    package = Path(__file__).parent
    for folder in (package, package.parent / "report"):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                digest.update(path.read_bytes())
    return digest.hexdigest()
