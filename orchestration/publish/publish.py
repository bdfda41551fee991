"""Write, audit, publish: from the private build to the files that BI opens.

One publication is a *generation*. Both DuckDB files and the Parquet folder of a generation are
made under hidden names on the same file system, read back and compared with the build, and only
then renamed over the old ones (see `orchestration.publish.swap`). Until the last rename nothing a
reader can reach has changed for good, so every failure before it leaves the old generation in
place.

A candidate begins as a copy of the published file where that spares work. Each table is then kept
(its content is the build's), patched (only rows that the build touched are replaced) or copied
anew; which of them is a matter of cost, never of content: the checksum that a table must end up
with is the build's own. What can't be made on the old file is made anew.

The caller holds the workspace's lock: two publications at once are not handled here.
"""

from __future__ import annotations

import os
import tempfile
import time
import uuid
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from orchestration.core.errors import UserError
from orchestration.core.files import (
    DISK_FULL,
    candidate_file,
    date_file,
    previous_file,
    reason_of,
    seal,
    sync,
    wal_file,
)
from orchestration.core.sql import literal
from orchestration.publish.candidate import (
    audit_candidate,
    connect,
    make_candidate,
    plan_anew,
    refuse_wal,
)
from orchestration.publish.content import GENERATION_TABLE, PersonalDataError, table_columns
from orchestration.publish.generation import (
    MARTS,
    PARTS,
    RESTRICTED,
    UNTOUCHED,
    Generation,
    Part,
    append_line,
    ledger_record,
    open_published,
    published_generation,
    reconcile_ledger,
)
from orchestration.publish.parquet import write_parquet
from orchestration.publish.plan import (
    Candidate,
    Progress,
    conditions_for,
    plan_part,
    read_before,
    state_of_file,
)
from orchestration.publish.swap import prune_parquet, swap, sweep

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
]

# --- the public functions ---------------------------------------------------------------------


def publish(
    workspace: Workspace,
    *,
    inputs_hash: str,
    versions: Mapping[str, str],
    tables: Collection[str] | None = None,
    touched: Mapping[str, str] | None = None,
    built_from: str | None = None,
    progress: Progress | None = None,
    wait_seconds: float = 60,
) -> Generation:
    """Publish the build as a new generation, or leave the old one and say why.

    Args:
        workspace: whose `warehouse_file` is read and whose `published` is written.
        inputs_hash: hash of what the build was made from; goes to `_generation` and the ledger.
        versions: versions by name, such as dbt's and duckdb's; DuckDB's own is added.
        tables: the allowed tables as `<schema>.<table>`; others of the two schemas stay private
            and a missing one is an error. None allows every table of both schemas.
        touched: by `<schema>.<table>`, a SQL condition on the table's columns that holds for every
            row which this build may have removed, changed or added since the build before it, such
            as `customer_key in (select customer_key from build.intermediate.int_touched)`. The
            build is attached as `build`. A condition that misses a row costs time, no more: the
            table is then copied whole. The texts are run as they are: they are the program's own.
        built_from: the inputs_hash of the build that this one was made from incrementally; None
            for a full build. `touched` counts only where this is what is published.
        progress: called with a few words before each step, and where a table can't be patched.
        wait_seconds: how long to wait for a program that has the build open for writing.

    Returns:
        The generation now published.

    Raises:
        UserError: nothing was published and the old generation is in place; or (the message
            says so) the generation is published but its line in the ledger could not be written,
            which the next run mends.
    """
    published = workspace.published
    build_file = workspace.warehouse_file
    with _step("sweeping leftovers", progress):
        _check_folder(published)
        for problem in _link_problem(published):
            raise UserError(f"{problem}; {UNTOUCHED}")
        sweep(published)
        reconcile_ledger(workspace)
        _check_build(build_file)
        for part in PARTS:
            refuse_wal(published / part.file_name)
        before = read_before(published)
    stamp = _new_stamp(workspace, inputs_hash, versions)
    made: dict[Part, Candidate] = {}
    try:
        with _attached_build(workspace, wait_seconds) as connection:
            stamp["build"] = state_of_file(build_file)
            for part in PARTS:
                with _step(f"comparing {part.schema}", progress):
                    names = _tables_to_copy(connection, part, tables)
                    conditions = conditions_for(part, before.get(part), touched or {}, built_from)
                    made[part] = plan_part(
                        connection,
                        part,
                        names,
                        before.get(part),
                        stamp=stamp,
                        conditions=conditions,
                        progress=progress,
                    )
                with _step(f"copying {part.schema}", progress):
                    path = candidate_file(published, part.file_name)
                    made[part] = make_candidate(
                        connection, part, path, made[part], stamp=stamp, progress=progress
                    )
        for part in PARTS:
            with _step(f"auditing {part.file_name}", progress):
                made[part] = _audit_or_remake(
                    workspace,
                    part,
                    made[part],
                    stamp=stamp,
                    progress=progress,
                    wait_seconds=wait_seconds,
                )
        parquet_folder = published / f".parquet-{stamp['generation_id']}"
        with _step("writing and auditing Parquet", progress):
            write_parquet(workspace, parquet_folder, made[MARTS].plans, stamp)
        with _step("swapping", progress):
            for part in PARTS:
                candidate = candidate_file(published, part.file_name)
                date_file(candidate, stamp["built_at"].replace(tzinfo=UTC))
                seal(candidate, part.mode)
            swap(published, parquet_folder)
    except BaseException:
        # Frees the disk and undoes a swap that did not reach its last rename; what this can't
        # do now (a kill, a full disk) the next run's sweep does.
        with suppress(OSError, duckdb.Error):
            sweep(published)
        raise
    try:
        sync(published)
        # The old comments and identities go at once: nothing but the undoing needed them.
        previous_file(published, RESTRICTED.file_name).unlink(missing_ok=True)
        record = ledger_record(workspace)
        append_line(published / "ledger.jsonl", record)
        prune_parquet(published)
    except (OSError, duckdb.Error) as error:
        raise UserError(
            f"{published / 'ledger.jsonl'}: generation {stamp['generation_id']} is published, but "
            f"what follows could not be finished ({reason_of(error)}); the next run writes its "
            "line in the ledger and tidies up"
        ) from error
    return Generation(**record)


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
            _check_folder(folder)
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


def _audit_or_remake(
    workspace: Workspace,
    part: Part,
    made: Candidate,
    *,
    stamp: Mapping[str, Any],
    progress: Progress | None,
    wait_seconds: float,
) -> Candidate:
    """Audit a candidate; one that was made from the old file and fails is made and audited anew."""
    path = candidate_file(workspace.published, part.file_name)
    if made.base is not None:
        try:
            audit_candidate(workspace, part, path, made)
            return made
        except PersonalDataError:
            raise
        except UserError:
            made = plan_anew(part, path, made, stamp, progress)
        with _attached_build(workspace, wait_seconds) as connection:
            if state_of_file(workspace.warehouse_file) != stamp["build"]:
                raise UserError(
                    f"{workspace.warehouse_file}: was written to while it was being published; "
                    f"run again; {UNTOUCHED}"
                )
            made = make_candidate(connection, part, path, made, stamp=stamp, progress=progress)
    audit_candidate(workspace, part, path, made)
    return made


# --- the build ----------------------------------------------------------------------------------


def _new_stamp(
    workspace: Workspace, inputs_hash: str, versions: Mapping[str, str]
) -> dict[str, Any]:
    """The row of `_generation`, but for the content hash that each file has of its own."""
    built_at = datetime.now(UTC)
    return {
        # Time first, so that ids sort as they were published; the rest keeps them apart.
        "generation_id": f"{built_at:%Y%m%dT%H%M%S%fZ}-{uuid.uuid4().hex[:8]}",
        "built_at": built_at.replace(tzinfo=None),
        "as_of_on": workspace.as_of_on,
        "inputs_hash": inputs_hash,
        "versions": {"duckdb": duckdb.__version__} | dict(versions),
    }


def _check_build(build_file: Path) -> None:
    """Refuse a build that is missing or that its last writer did not close."""
    if not build_file.exists():
        raise UserError(f"{build_file}: there is no build to publish; run refresh first")
    wal = wal_file(build_file)
    if wal.exists():
        # DuckDB could replay it, but a writer that died left models of mixed generations.
        raise UserError(
            f"{wal}: the build was not closed by its last writer, so it may be half done; "
            f"run refresh again to repair it; {UNTOUCHED}"
        )


@contextmanager
def _attached_build(
    workspace: Workspace, wait_seconds: float
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Attach the build read-only as `build`: no writer can come in between hash and copy."""
    connection = connect(workspace)
    try:
        deadline = time.monotonic() + wait_seconds
        while True:
            try:
                connection.execute(
                    f"attach {literal(workspace.warehouse_file)} as build (read_only)"
                )
                break
            except duckdb.IOException as error:
                if "lock" not in str(error).lower():
                    raise UserError(
                        f"{workspace.warehouse_file}: the build can't be read "
                        f"({reason_of(error)}); run full-refresh to rebuild it; {UNTOUCHED}"
                    ) from error
                if time.monotonic() >= deadline:
                    raise UserError(
                        f"{workspace.warehouse_file}: another program has had the build open for "
                        f"{wait_seconds:g} seconds; close it and run again; {UNTOUCHED}"
                    ) from error
                time.sleep(min(0.2, wait_seconds))
        yield connection
    finally:
        connection.close()


def _tables_to_copy(
    connection: duckdb.DuckDBPyConnection, part: Part, allowed: Collection[str] | None
) -> list[str]:
    """The tables of a part, by name; a killed dbt's half-made tables are never among them."""
    names = [
        name
        for name in sorted(table_columns(connection, "build", part.schema))
        if not name.endswith(("__dbt_tmp", "__dbt_backup", "__dbt_new"))
        and name != GENERATION_TABLE
    ]
    if allowed is not None:
        wanted = {item.split(".", 1)[1] for item in allowed if item.startswith(f"{part.schema}.")}
        missing = sorted(wanted - set(names))
        if missing:
            raise UserError(
                f"{part.schema}.{missing[0]}: is to be published but not in the build"
                f"{f' ({len(missing)} such tables)' if len(missing) > 1 else ''}; run refresh; "
                f"{UNTOUCHED}"
            )
        names = [name for name in names if name in wanted]
    if part is MARTS and not names:
        raise UserError(
            f"the build holds no table of schema {part.schema}: nothing to publish; run refresh; "
            f"{UNTOUCHED}"
        )
    return names


# --- small things -----------------------------------------------------------------------------


@contextmanager
def _step(what: str, progress: Progress | None) -> Iterator[None]:
    """Announce a step; turn what goes wrong in it into one clear line."""
    if progress:
        progress(what)
    try:
        yield
    except OSError as error:
        raise UserError(_failure(what, error)) from error
    except duckdb.Error as error:
        raise UserError(_failure(what, error)) from error


def _failure(what: str, error: Exception) -> str:
    """One line for a failed step."""
    reason = reason_of(error)
    mend = "free some space and run again" if reason == DISK_FULL else "mend it and run again"
    return f"publishing stopped while {what}: {reason}; {mend}; {UNTOUCHED}"


def _check_folder(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)


def _link_problem(published: Path) -> list[str]:
    """A line when a real folder stands where the link to the Parquet files belongs."""
    path = published / "parquet"
    if path.is_dir() and not path.is_symlink():
        return [f"{path}: is a folder where a link belongs; move it away"]
    return []
