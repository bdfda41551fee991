"""The lake: what was delivered, what was read from it, and the record of both.

``ingest_source`` takes up one source's files. Each file becomes one Parquet file named by its
bytes and by its mapping, or shares one with other small files (see ``packs``), or is quarantined
with a reason; either way its bytes are archived and the manifest tells. Loading the same bytes
again is a no-op; a changed mapping reads them anew from the archive; a crash leaves at most what
the next ``prepare_lake`` sweeps.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat as stat_module
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from orchestration.core.atomic_write import (
    MANY,
    TEMPORARY,
    commit,
    commit_all,
    parquet_bytes,
    scratch,
    temporary,
    write_if_changed,
)
from orchestration.core.errors import UserError
from orchestration.core.files import remove
from orchestration.lake import packs, projection, reader
from orchestration.lake.manifest import FileState, Key, Manifest, Stat, files_table, now
from orchestration.lake.rawfile import COMPRESSION_LEVEL, GROUP, lake_schema, write_raw
from orchestration.lake.reader import FileFault, Rows, Scan
from orchestration.publish.ledger import write_published_figures
from orchestration.publish.publish import reconcile_ledger
from orchestration.warehouse import batches
from orchestration.workspace.entities import ENTITIES
from orchestration.workspace.model import Source, Workspace

Progress = Callable[[str], None]
"""Called now and then with one line about what is being read."""

# Names under which tools write before they are done, and hidden files.
_UNFINISHED = (".tmp", ".part", ".partial", ".crdownload", ".filepart")
_HIDDEN = (".", "~")
# The key of a file that was never read, and so has no hash of its bytes.
_UNREAD = "unread:"
_REJECTED_SCHEMA = pa.schema(
    [
        ("_source", pa.string()),
        ("_entity", pa.string()),
        ("_file_sha256", pa.string()),
        ("_file_name", pa.string()),
        ("_row_number", pa.int64()),
        ("_mapping_version", pa.string()),
        ("reason", pa.string()),
        ("raw_text", pa.string()),
    ]
)
_SETTINGS = {
    "workspace": pa.schema(
        [
            ("as_of_on", pa.date32()),
            ("as_of_at", pa.timestamp("us")),
            ("timezone", pa.string()),
            ("currency", pa.string()),
            ("min_group_size", pa.int32()),
            ("feature_months", pa.int32()),
            ("quarantine_days", pa.int32()),
            ("headline_metric", pa.string()),
            ("headline_survey_type", pa.string()),
            ("max_quarantine_rate", pa.float64()),
        ]
    ),
    "churn_windows": pa.schema([("window_days", pa.int32())]),
    "rolling_windows": pa.schema([("window_days", pa.int32())]),
    "segments": pa.schema([("position", pa.int32()), ("segment", pa.string())]),
    "mapped_columns": pa.schema(
        [
            ("source", pa.string()),
            ("entity", pa.string()),
            ("customer_source", pa.string()),
            ("column_name", pa.string()),
        ]
    ),
}
_REJECTS_AT_ONCE = 20_000
# Small files wait for each other, up to so many files and so many bytes.
_SMALL = 256 << 10
_SMALL_FILES = 10_000
_SMALL_BYTES = 32 << 20
# Big files are read by so many threads; more would only take more memory.
_FILES_AT_ONCE = 2


@dataclass(frozen=True)
class FileProblem:
    """Why one file in landing is not in the lake."""

    file_name: str
    reason: str
    message: str


@dataclass
class IngestResult:
    """What one source's ingest did.

    ``files_found = files_new + files_unchanged + files_quarantined``; of these, quarantined ones
    may also be so since an earlier run. Rows are those of the files read in this run, those read
    again because the mapping changed (``files_rederived``) included.
    """

    source: str
    entity: str
    files_found: int = 0
    files_new: int = 0
    files_unchanged: int = 0
    files_quarantined: int = 0
    files_rederived: int = 0
    rows_delivered: int = 0
    rows_loaded: int = 0
    rows_rejected: int = 0
    rows_blank: int = 0
    problems: list[FileProblem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


# --- preparing --------------------------------------------------------------------------------


def prepare_lake(workspace: Workspace, *, compact: bool = True) -> None:
    """Make the lake's folders and settings, and remove what does not belong.

    Leftovers of crashes are swept, and many small Parquet files become few. What was read for a
    source that is no longer declared leaves the lake; its bytes stay in the archive, and come back
    if it is declared again.

    Args:
        workspace: the workspace.
        compact: whether Parquet files may be packed: before new files are taken up, so that these
            lie by themselves during the run that brings them.

    Raises:
        UserError: when the workspace cannot be written.
    """
    with _clear_errors(f"lake below {workspace.root}"):
        for folder in (workspace.landing, workspace.archive, workspace.manifest_dir):
            folder.mkdir(parents=True, exist_ok=True)
        # what holds people is for whoever runs this, and nobody else
        for folder in (workspace.lake, workspace.warehouse_dir, workspace.runs):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)
        for entity in ENTITIES:
            content = parquet_bytes(lake_schema(entity).empty_table())
            write_if_changed(workspace.raw / entity / "_schema.parquet", content)
        content = parquet_bytes(_REJECTED_SCHEMA.empty_table())
        write_if_changed(workspace.rejected / "_schema.parquet", content)
        manifest = Manifest.load(workspace.manifest_file)
        _retire_undeclared(workspace, manifest)
        _sweep(workspace, manifest)
        if compact:
            packs.compact(workspace, manifest)
        write_settings(workspace)
        write_files_table(workspace)
        batches.ensure(workspace)
        # a killed publication may still owe its line: what it told first is not told as ours
        reconcile_ledger(workspace)
        write_published_figures(workspace)


def write_files_table(workspace: Workspace) -> None:
    """Write ``lake/manifest/files.parquet`` from the manifest, if that changes it."""
    manifest = Manifest.load(workspace.manifest_file)
    content = parquet_bytes(files_table(manifest))
    write_if_changed(workspace.manifest_dir / "files.parquet", content)


def write_settings(workspace: Workspace) -> None:
    """Write ``lake/settings/*.parquet``, each only if that changes it."""
    mapped = [
        (source.name, source.entity, source.customers_of, column)
        for source in workspace.sources
        for column in (*ENTITIES[source.entity].column_names, "_snapshot_at")
        if column in source.columns
        or column in source.constants
        # a declared snapshot may lie after as_of; a file's own time says nothing of its rows
        or (column == "_snapshot_at" and projection.snapshot_kind(source) != "file_modified")
    ]
    rows: dict[str, list[tuple[Any, ...]]] = {
        "workspace": [
            (
                workspace.as_of_on,
                workspace.as_of_at.replace(tzinfo=None),
                workspace.timezone,
                workspace.currency,
                workspace.min_group_size,
                workspace.feature_months,
                workspace.survey_rules.quarantine_days,
                workspace.headline.metric,
                workspace.headline.survey_type,
                workspace.max_quarantine_rate,
            )
        ],
        "churn_windows": [(days,) for days in workspace.churn_windows],
        "rolling_windows": [(days,) for days in workspace.rolling_windows],
        "segments": list(enumerate(workspace.segments, start=1)),
        "mapped_columns": mapped,
    }
    for name, schema in _SETTINGS.items():
        columns = {
            column: [row[place] for row in rows[name]] for place, column in enumerate(schema.names)
        }
        content = parquet_bytes(pa.table(columns, schema=schema))
        write_if_changed(workspace.settings_dir / f"{name}.parquet", content)


def unclaimed_files(workspace: Workspace) -> list[str]:
    """Files in landing that no source's glob takes up, as paths below it: nobody reads them."""
    claimed = {
        path
        for source in workspace.sources
        for path in (workspace.landing / source.name).glob(source.files)
    }
    return [
        _printable(path.relative_to(workspace.landing).as_posix())
        for path in sorted(workspace.landing.rglob("*"))
        if path.is_file() and path not in claimed and not _is_ignored(path, workspace.landing)
    ]


def _archived(workspace: Workspace, sha256: str) -> Path:
    return workspace.archive / sha256[:2] / sha256


def _remove_files(workspace: Workspace, state: FileState) -> None:
    """Remove a file's own Parquet files; from packs its rows go when the lake is repaired."""
    for top in (workspace.raw, workspace.rejected):
        packs.own_file(top, state).unlink(missing_ok=True)


def _retire_undeclared(workspace: Workspace, manifest: Manifest) -> None:
    declared = {(source.name, source.entity) for source in workspace.sources}
    for state in list(manifest.states.values()):
        if state.status != "retired" and (state.source, state.entity) not in declared:
            manifest.append(state, "retired")
            _remove_files(workspace, state)


def _sweep(workspace: Workspace, manifest: Manifest) -> None:
    """Remove temporary files, and Parquet files that the manifest does not tell of."""
    folders = [workspace.lake, workspace.archive, workspace.manifest_dir, workspace.settings_dir]
    folders += [workspace.raw, workspace.rejected]
    folders += [top / entity for top in (workspace.raw, workspace.rejected) for entity in ENTITIES]
    for folder in folders:
        for path in folder.glob(f"{TEMPORARY}*"):
            remove(path)
    # A killed process leaves behind what it had no memory for: rows with all that is personal. What
    # lies beside the build goes with the build, which is made anew after a kill.
    remove(workspace.spill)
    packs.repair(workspace, manifest)


# --- ingesting one source ---------------------------------------------------------------------


@dataclass
class _Read:
    """A file that was read and is not recorded yet.

    Attributes:
        state: what is known of the bytes, with the present mapping's version.
        old: the same as the manifest has it.
        found: what the scan found.
        status: the landing file's, if it was read from there; ``name`` likewise.
        copy: a temporary copy of its bytes, if the archive has none; ``text``: where its text
            was written if its bytes are none in UTF-8.
        rows: what was opened, of a small file; ``batches`` and ``rejects`` are all it delivered.
        fault: why it is quarantined as a whole.
    """

    state: FileState
    old: FileState
    found: Scan
    status: Stat | None = None
    name: str | None = None
    copy: Path | None = None
    text: Path | None = None
    rows: Rows | None = None
    batches: list[pa.RecordBatch] = field(default_factory=list)
    rejects: list[tuple[int, str, str]] = field(default_factory=list)
    fault: FileFault | None = None


@dataclass(frozen=True)
class _Made:
    """A file's Parquet files under temporary names, and its state once they have theirs."""

    done: FileState
    raw: Path
    rejected: Path | None


@dataclass
class _Run:
    """What the steps of one source's ingest share."""

    workspace: Workspace
    source: Source
    progress: Progress | None
    closing: ExitStack
    result: IngestResult
    manifest: Manifest
    version: str
    unread: set[str] = field(default_factory=set)
    pending: dict[str, _Read] = field(default_factory=dict)  # small files, by their SHA-256
    pending_bytes: int = 0
    jobs: dict[str, tuple[_Read, Future[_Made | FileFault]]] = field(default_factory=dict)
    local: threading.local = field(default_factory=threading.local)
    lock: threading.Lock = field(default_factory=threading.Lock)
    leaves_pack: bool = False
    named: dict[str, datetime | None] = field(default_factory=dict)
    noted: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    @cached_property
    def sizes(self) -> set[int]:
        """The sizes of the files that were read so far."""
        return {
            stat.size
            for (source, entity, _), (stat, _) in self.manifest.seen.items()
            if (source, entity) == (self.source.name, self.source.entity)
        }

    @cached_property
    def database(self) -> duckdb.DuckDBPyConnection:
        """An in-memory database, made when the first file is to be read; one memory for all."""
        spill = temporary(self.workspace.lake)
        self.closing.callback(shutil.rmtree, spill, ignore_errors=True)
        settings: dict[str, Any] = {
            "temp_directory": str(spill),
            "autoinstall_known_extensions": False,
        }
        if self.workspace.memory_limit:
            settings["memory_limit"] = self.workspace.memory_limit.replace(" ", "")
        connection = self.closing.enter_context(duckdb.connect(":memory:", config=settings))
        # Rows carry their number; keeping their order too would cost memory that grows with files.
        connection.execute("set global preserve_insertion_order = false")
        connection.create_function("nfkc", _nfkc, ["VARCHAR"], "VARCHAR", type="arrow")
        return connection

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The calling thread's own connection to the database."""
        if not hasattr(self.local, "connection"):
            with self.lock:
                self.local.connection = self.closing.enter_context(self.database.cursor())
            self.local.connection.execute("set TimeZone = 'UTC'")
        return self.local.connection

    @cached_property
    def pool(self) -> ThreadPoolExecutor:
        """Threads that read big files: most of what they do leaves Python to others."""
        return ThreadPoolExecutor(_FILES_AT_ONCE, thread_name_prefix="ingest")

    def stop(self) -> None:
        """Let no thread go on; what they wrote has no name yet and is removed."""
        if "pool" in self.__dict__:
            self.pool.shutdown(wait=True, cancel_futures=True)

    def is_current(self, state: FileState | None) -> bool:
        """Whether the lake holds what the present mapping makes of the file."""
        if state is None or state.mapping_version != self.version or state.status == "retired":
            return False
        if state.status == "quarantined":
            return True
        return packs.file_of(self.workspace.raw, self.manifest, state).exists()


def ingest_source(
    workspace: Workspace, source: Source, progress: Progress | None = None
) -> IngestResult:
    """Take up one source's files: new ones, and those that a changed mapping reads differently.

    One file's fault never stops the others. The caller holds the workspace's lock, and has called
    ``prepare_lake``.

    Args:
        workspace: the workspace.
        source: one of its sources.
        progress: called now and then with a line about the file being read.

    Raises:
        UserError: when the disk is full or the workspace cannot be written.
    """
    result = IngestResult(source.name, source.entity)
    with _clear_errors(source.label), ExitStack() as closing:
        run = _Run(
            workspace,
            source,
            progress,
            closing,
            result,
            Manifest.load(workspace.manifest_file),
            projection.mapping_version(workspace, source),
        )
        try:
            _rederive(run)
            _flush(run)
            paths = landing_files(workspace, source)
            result.files_found = len(paths)
            for place, path in enumerate(paths, start=1):
                _say(run, f"file {place:,} of {len(paths):,}")
                _ingest_file(run, path)
            _flush(run)
        finally:
            run.stop()
        _forget_unread(run)
        if run.leaves_pack:
            packs.repair(workspace, run.manifest)
        for message, files in run.noted.items():
            more = f" and {len(files) - 1:,} more" if len(files) > 1 else ""
            result.warnings.append(f"{source.label}: {files[0]}{more}: {message}")
    return result


def _nfkc(texts: pa.Array) -> pa.Array:
    return pc.utf8_normalize(texts, "NFKC")


def _say(run: _Run, text: str) -> None:
    if run.progress:
        run.progress(f"{run.source.label}: {text}")


@contextmanager
def _clear_errors(what: str) -> Iterator[None]:
    """Turn what the machine refuses into one line; let no database error quote a cell."""
    try:
        yield
    except OSError as error:
        place = f" ({_printable(str(error.filename))})" if error.filename else ""
        raise UserError(f"{what}: {error.strerror or type(error).__name__}{place}") from None
    except duckdb.IOException as error:
        raise UserError(f"{what}: {str(error).splitlines()[0]}") from None
    except duckdb.OutOfMemoryException:
        raise UserError(f"{what}: not enough memory; raise memory_limit in workspace.yml") from None
    except (duckdb.DataError, duckdb.InvalidInputException, duckdb.ConversionException) as error:
        raise RuntimeError(f"{what}: {type(error).__name__}") from None


def _is_ignored(path: Path, base: Path) -> bool:
    parts = path.relative_to(base).parts
    return path.name.lower().endswith(_UNFINISHED) or any(p.startswith(_HIDDEN) for p in parts)


def landing_files(workspace: Workspace, source: Source) -> list[Path]:
    """The files of landing that a source takes up, sorted; those not yet finished are left out."""
    base = workspace.landing / source.name
    return sorted(
        path
        for path in base.glob(source.files)
        if not _is_ignored(path, base) and (path.is_symlink() or not path.is_dir())
    )


def _stored_name(text: str) -> str:
    """A file's name as Unicode: bytes that are none are written as escapes."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _printable(text: str) -> str:
    """A name that cannot forge a line or hide its ending when it is printed."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode()
        for char in _stored_name(text)
    )


def _rederive(run: _Run) -> None:
    """Read anew from the archive what is not in the lake as the present mapping makes it."""
    stale = [
        state
        for state in run.manifest.of(run.source.name, run.source.entity)
        if not run.is_current(state) and not state.file_sha256.startswith(_UNREAD)
    ]
    for place, state in enumerate(stale, start=1):
        _say(run, f"reading anew {place:,} of {len(stale):,}")
        path = _archived(run.workspace, state.file_sha256)
        if not path.exists():
            run.noted["its bytes are no longer in the archive"].append(_printable(state.file_name))
            continue
        text = _scratch(run)
        found = reader.scan(path, run.source.format, scratch=text)
        if found.sha256 != state.file_sha256:
            message = "its bytes in the archive are damaged; what was read of them stays"
            run.noted[message].append(_printable(state.file_name))
            continue
        present = replace(state, mapping_version=run.version)
        _derive(run, _Read(present, state, found, text=text))
        run.result.files_rederived += 1


def _ingest_file(run: _Run, path: Path) -> None:
    """Take up one file of landing, unless the lake has it."""
    base = run.workspace.landing / run.source.name
    name = _stored_name(path.relative_to(base).as_posix())
    try:
        real, status = _look_at(run, path)
        _take_up(run, real, name, status)
    except FileFault as fault:
        _never_read(run, name, fault)


def _look_at(run: _Run, path: Path) -> tuple[Path, Stat]:
    """Where a landing file really lies, and its status.

    Raises:
        FileFault: when it is not to be opened.
    """
    try:
        real = path.resolve(strict=True)
        status = real.stat()
    except (OSError, RuntimeError):  # a loop of links is the one or the other, by version
        if path.is_symlink():
            message = "a link that leads nowhere; put the file itself there"
            raise FileFault("outside_landing", message) from None
        raise FileFault("still_being_written", "the file vanished while it was looked at") from None
    if not real.is_relative_to(run.workspace.landing.resolve()):
        raise FileFault("outside_landing", "a link out of landing; put the file itself there")
    if not stat_module.S_ISREG(status.st_mode):
        raise FileFault("outside_landing", "not a regular file; put a file there")
    limit = run.source.format.max_file_mb
    if status.st_size > limit << 20:
        size = f"{status.st_size >> 20:,} MiB, more than format.max_file_mb {limit:,}"
        raise FileFault("oversized_file", f"the file has {size}; raise it, or split the file")
    if not os.access(real, os.R_OK):
        raise FileFault("still_being_written", "the file may not be read (yet); mend its mode")
    return real, Stat.of(status)


def _take_up(run: _Run, path: Path, name: str, status: Stat) -> None:
    """Archive, read and record one file.

    Raises:
        FileFault: when it is being written; nothing is kept of it then.
    """
    source, entity = run.source.name, run.source.entity
    before, sha256 = run.manifest.seen.get((source, entity, name), (None, ""))
    if before == status and _is_known(run, name, sha256):
        return
    # A file of a known size may be a known file: hashing alone is cheaper than reading.
    if status.size in run.sizes:
        with _vanishing(path):
            sha256 = reader.hash_file(path)
        _unchanged_since(path, status)
        if sha256 in run.pending or sha256 in run.jobs:
            _flush(run)
        if _is_known(run, name, sha256, status):
            return
    run.sizes.add(status.size)
    copy, text = temporary(run.workspace.archive), _scratch(run)
    run.closing.callback(copy.unlink, missing_ok=True)
    with _vanishing(path):
        found = reader.scan(path, run.source.format, archive=copy, scratch=text)
    _unchanged_since(path, status)
    if found.sha256 in run.pending or found.sha256 in run.jobs:
        _flush(run)
    kept = _archived(run.workspace, found.sha256)
    is_kept = kept.exists()
    if is_kept:
        copy.unlink()
        found.text = kept if found.text == copy else found.text
    if _is_known(run, name, found.sha256, status):
        return
    state = FileState(
        source=source,
        entity=entity,
        file_sha256=found.sha256,
        file_name=name,
        mapping_version=run.version,
        status="loaded",
        reason=None,
        message=None,
        rows_delivered=0,
        rows_loaded=0,
        rows_rejected=0,
        rows_blank=0,
        file_modified_at=datetime.fromtimestamp(0, UTC).replace(tzinfo=None)
        + timedelta(microseconds=status.mtime_ns // 1000),
        ingested_at=now(),
        warnings=(),
    )
    old = run.manifest.states.get(state.key, state)
    state = replace(old, mapping_version=run.version)
    _derive(run, _Read(state, old, found, status, name, None if is_kept else copy, text))


def _scratch(run: _Run) -> Path:
    """A temporary name that is gone when the source is done."""
    text = temporary(run.workspace.lake)
    run.closing.callback(text.unlink, missing_ok=True)
    return text


@contextmanager
def _vanishing(path: Path) -> Iterator[None]:
    """Let a file that is gone by now be one that is still being written."""
    try:
        yield
    except FileNotFoundError:
        if path.exists():
            raise
        raise FileFault("still_being_written", "the file vanished while it was read") from None


def _unchanged_since(path: Path, status: Stat) -> None:
    with _vanishing(path):
        same = Stat.of(path.stat()) == status
    if not same:
        raise FileFault(
            "still_being_written", "the file changed while it was read; it is taken up next time"
        )


def _is_known(run: _Run, name: str, sha256: str, status: Stat | None = None) -> bool:
    """Whether the lake has these bytes; if so they are counted, and recorded under the new name."""
    state = run.manifest.states.get((run.source.name, run.source.entity, sha256))
    if state is None or not run.is_current(state):
        return False
    if status is not None or state.status == "quarantined":
        _flush(run)  # what is told of files is told in their order
    if status is not None:
        run.manifest.append(replace(state, file_name=name), "seen_again", status)
    if state.status == "loaded":
        run.result.files_unchanged += 1
    else:
        _quarantined(run, name, state)
    return True


def _quarantined(run: _Run, name: str, state: FileState) -> None:
    run.result.files_quarantined += 1
    problem = FileProblem(_printable(name), state.reason or "", state.message or "")
    run.result.problems.append(problem)


def _unread_key(name: str) -> str:
    return _UNREAD + hashlib.sha256(name.encode()).hexdigest()


def _never_read(run: _Run, name: str, fault: FileFault) -> None:
    """Report a file that is not even opened; record it once, unless it only has to wait."""
    state = FileState(
        source=run.source.name,
        entity=run.source.entity,
        file_sha256=_unread_key(name),
        file_name=name,
        mapping_version=run.version,
        status="quarantined",
        reason=fault.reason,
        message=fault.message,
        rows_delivered=0,
        rows_loaded=0,
        rows_rejected=0,
        rows_blank=0,
        file_modified_at=now(),
        ingested_at=now(),
        warnings=(),
    )
    _flush(run)
    _quarantined(run, name, state)
    run.unread.add(state.file_sha256)
    if fault.reason == "still_being_written":
        return
    known = run.manifest.states.get(state.key)
    if not known or (known.status, known.message) != ("quarantined", fault.message):
        run.manifest.append(state, "quarantined")


def _forget_unread(run: _Run) -> None:
    """Retire the problems of never-read files that are gone, or could be read by now."""
    for state in run.manifest.of(run.source.name, run.source.entity):
        is_unread = state.file_sha256.startswith(_UNREAD) and state.status == "quarantined"
        if is_unread and state.file_sha256 not in run.unread:
            run.manifest.append(state, "retired")


# --- one file ---------------------------------------------------------------------------------


def _derive(run: _Run, read: _Read) -> None:
    """Make a scanned file's Parquet files, or quarantine it, and record which.

    Small files wait for others: many of them share a Parquet file and a sync.
    """
    is_small = run.source.format.is_delimited and read.found.size <= _SMALL
    # a pack has rows of it that are read anew: of another mapping, or of what was lost
    packed = run.manifest.packs_of(read.old) or run.manifest.packs_of(read.state)
    run.leaves_pack = run.leaves_pack or bool(packed)
    if not is_small:
        if run.pending:
            _flush(run)
        _settle(run, _FILES_AT_ONCE - 1)
        run.jobs[read.state.file_sha256] = read, run.pool.submit(_made_or_not, run, read)
        return
    _read_small(run, read)
    if not _alike(run.pending, read):
        _flush(run)
    run.pending[read.state.file_sha256] = read
    run.pending_bytes += read.found.size
    if len(run.pending) >= _SMALL_FILES or run.pending_bytes > _SMALL_BYTES:
        _flush(run)


def _alike(pending: dict[str, _Read], read: _Read) -> bool:
    """Whether a small file has the columns of those that wait; one without any fits."""
    last = next((each.rows for each in reversed(pending.values()) if each.rows), None)
    if last is None or read.rows is None:
        return True
    return (last.names, last.at) == (read.rows.names, read.rows.at)


def _keep_bytes(run: _Run, read: _Read) -> None:
    """Archive a file's bytes, unless the archive has them."""
    if read.copy:
        kept = _archived(run.workspace, read.state.file_sha256)
        commit(read.copy, kept)
        read.found.text = kept if read.found.text == read.copy else read.found.text
        read.copy = None


def _read_small(run: _Run, read: _Read) -> None:
    """Read all of a small file; what is wrong with it is kept for later."""

    def add(number: int, reason: str, text: str) -> None:
        read.rejects.append((number, reason, text))

    form = run.source.format
    path = read.copy or _archived(run.workspace, read.state.file_sha256)
    try:
        rows = reader.open_rows(path, read.found, form, projection.wanted_columns(run.source), add)
        read.batches = [batch for batch in rows.reader if len(batch)]
        _not_empty(rows, run.source)
        read.rows = rows
    except FileFault as fault:
        read.fault = fault


def _not_empty(rows: Rows, source: Source) -> None:
    if rows.delivered == 0 and not source.format.allow_empty:
        raise FileFault("header_only", "the file has no rows; declare format.allow_empty", 0)


def _flush(run: _Run) -> None:
    """Take all files that wait into the lake, in their order; many small ones together."""
    _settle(run)
    reads = list(run.pending.values())
    run.pending, run.pending_bytes = {}, 0
    if not reads:
        return
    for read, snapshot in zip(reads, _snapshots(run, reads), strict=True):
        if snapshot is None and projection.snapshot_kind(run.source) != "column":
            read.fault = _bad_name()
    loaded = [read for read in reads if read.fault is None]
    if len(loaded) < MANY:
        for read in reads:
            _finish(run, read, _made_or_not(run, read))
        return
    workspace, source = run.workspace, run.source
    members = [(read.state.file_sha256, run.version) for read in loaded]
    name = packs.pack_name(source.name, members)
    raw, rejected = (top / source.entity / name for top in (workspace.raw, workspace.rejected))
    with scratch(raw.parent) as raw_copy, scratch(rejected.parent) as rejected_copy:
        _write(run, raw_copy, loaded)
        with _Rejects(rejected_copy) as rejects:
            for read in loaded:
                rejects.state = read.state
                for row in read.rejects:
                    rejects.add(*row)
            rejects.close()
        pairs = [
            (read.copy, _archived(workspace, read.state.file_sha256)) for read in reads if read.copy
        ]
        pairs += [(rejected_copy, rejected)] if rejects.count else []
        commit_all([*pairs, (raw_copy, raw)])
    warnings = _warnings_of(run, loaded)
    done = [
        _quarantined_state(run, read, read.fault)
        if read.fault
        else _loaded_state(read, sum(map(len, read.batches)), warnings[read.state.key])
        for read in reads
    ]
    pack = run.manifest.pack_record(source.name, source.entity, name, members)
    events = [each for pair in zip(reads, done, strict=True) for each in _events(run, *pair)]
    run.manifest.append_all([pack, *events])
    for pair in zip(reads, done, strict=True):
        _recorded(run, *pair)


def _write(run: _Run, path: Path, reads: list[_Read]) -> int:
    """Write the rows of small files as one Parquet file; their number."""
    parts = [
        (_delivery(read.state, snapshot), batch)
        for read, snapshot in zip(reads, _snapshots(run, reads), strict=True)
        for batch in read.batches
    ]
    return write_raw(
        run.connection,
        path,
        reads[0].rows,
        _chunks(parts),
        workspace=run.workspace,
        source=run.source,
        has_marks=any(read.found.has_marks for read in reads),
    )


def _chunks(
    parts: list[tuple[projection.Delivery, pa.RecordBatch]],
) -> Iterator[list[tuple[projection.Delivery, pa.RecordBatch]]]:
    """The parts in chunks of about one row group."""
    chunk, size = [], 0
    for part in parts:
        chunk, size = [*chunk, part], size + len(part[1])
        if size >= GROUP:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _settle(run: _Run, at_most: int = 0) -> None:
    """Record files that threads read, in the files' order, until so many are left."""
    while len(run.jobs) > at_most:
        sha256 = next(iter(run.jobs))
        read, job = run.jobs[sha256]
        made = job.result()
        del run.jobs[sha256]
        _finish(run, read, made)


def _made_or_not(run: _Run, read: _Read) -> _Made | FileFault:
    try:
        if read.fault:
            raise read.fault
        return _load(run, read)
    except FileFault as fault:
        return fault


def _quarantined_state(run: _Run, read: _Read, fault: FileFault) -> FileState:
    rows = _countable(run.source, read.found) if fault.rows is None else fault.rows
    return replace(
        read.state,
        status="quarantined",
        reason=fault.reason,
        message=fault.message,
        rows_delivered=rows,
        rows_loaded=0,
        rows_rejected=rows,
        rows_blank=0,
        warnings=(),
    )


def _loaded_state(read: _Read, loaded: int, warnings: list[str]) -> FileState:
    return replace(
        read.state,
        status="loaded",
        reason=None,
        message=None,
        rows_delivered=read.rows.delivered,
        rows_loaded=loaded,
        rows_rejected=read.rows.rejected,
        rows_blank=read.rows.blank,
        warnings=tuple(warnings),
    )


def _events(run: _Run, read: _Read, done: FileState) -> list[dict[str, Any]]:
    """What the manifest is told of a file that was read."""
    told = replace(done, file_name=read.name or done.file_name)
    events = [run.manifest.record(told, done.status, read.status)]
    if _is_replaced(run, read):
        events.append(run.manifest.record(read.old, "retired"))
    return events


def _is_replaced(run: _Run, read: _Read) -> bool:
    return read.old.mapping_version != run.version and read.old.status == "loaded"


def _finish(run: _Run, read: _Read, made: _Made | FileFault) -> None:
    """Give one file's bytes and rows their names, and record it."""
    _keep_bytes(run, read)
    if isinstance(made, FileFault):
        done = _quarantined_state(run, read, made)
        # The same file may have been loaded under this mapping once, and its Parquet lost.
        _remove_files(run.workspace, done)
    else:
        done = made.done
        rejected = packs.own_file(run.workspace.rejected, done)
        if made.rejected:
            commit(made.rejected, rejected)
        else:
            rejected.unlink(missing_ok=True)
        commit(made.raw, packs.own_file(run.workspace.raw, done))
    for event in _events(run, read, done):
        run.manifest.append_all([event])
    _recorded(run, read, done)


def _recorded(run: _Run, read: _Read, done: FileState) -> None:
    """Remove what a recorded file replaces and left behind, and count it."""
    if read.text:
        read.text.unlink(missing_ok=True)
    if _is_replaced(run, read):
        _remove_files(run.workspace, read.old)
    for warning in done.warnings:
        run.noted[warning].append(_printable(read.name or done.file_name))
    run.result.rows_delivered += done.rows_delivered
    run.result.rows_loaded += done.rows_loaded
    run.result.rows_rejected += done.rows_rejected
    run.result.rows_blank += done.rows_blank
    if read.name is None:
        return
    if done.status == "loaded":
        run.result.files_new += 1
    else:
        _quarantined(run, read.name, done)


def _countable(source: Source, found: Scan) -> int:
    """Rows of a file that could not be read: its lines after the header."""
    if source.format.type == "json":
        return 0
    header = source.format.header_rows if source.format.is_delimited else 0
    return max(0, found.lines - header)


def _load(run: _Run, read: _Read) -> _Made:
    """Write the raw and, if there are any, the rejected rows of one file under temporary names.

    Raises:
        FileFault: when the file as a whole is not to be loaded.
    """
    workspace, source, form, state = run.workspace, run.source, run.source.format, read.state
    path = read.copy or _archived(workspace, state.file_sha256)
    (snapshot,) = _snapshots(run, [read])
    if snapshot is None and projection.snapshot_kind(source) != "column":
        raise _bad_name()
    delivery = _delivery(state, snapshot)
    with ExitStack() as here:
        raw_temporary = here.enter_context(scratch(workspace.raw / source.entity))
        rejected_temporary = here.enter_context(scratch(workspace.rejected / source.entity))
        rejects = here.enter_context(_Rejects(rejected_temporary, state))
        if read.rows is not None:  # it was small, and waited
            loaded, warnings = _write(run, raw_temporary, [read]), _warnings(run, read.rows)
            for row in read.rejects:
                rejects.add(*row)
        else:
            wanted = projection.wanted_columns(source)
            read.rows = rows = reader.open_rows(path, read.found, form, wanted, rejects.add)
            if run.progress:
                rows.reader = _watched(run, rows, state)
            relation = _documents(run, rows) if rows.is_json else ""
            warnings = _warnings(run, rows)
            if rows.is_json:
                made = _projection(run, rows, delivery, relation)
                loaded = _copy(run, rows, made.rows, raw_temporary)
                _reject_documents(run, rows, read.found, rejects, loaded)
                _check_documents(run, raw_temporary, loaded, warnings)
            else:
                loaded = write_raw(
                    run.connection,
                    raw_temporary,
                    rows,
                    ([(delivery, batch)] for batch in rows.reader),
                    workspace=workspace,
                    source=source,
                    has_marks=read.found.has_marks,
                )
        _not_empty(read.rows, source)
        rejects.close()
        run.closing.push(here.pop_all())  # what gets no name goes with the run
    done = _loaded_state(read, loaded, warnings)
    return _Made(done, raw_temporary, rejected_temporary if rejects.count else None)


def _projection(
    run: _Run, rows: Rows, delivery: projection.Delivery, relation: str
) -> projection.Projection:
    return projection.build_projection(
        run.workspace,
        run.source,
        delivery,
        names=rows.names,
        cells=rows.cells,
        at=rows.at,
        relation=relation,
    )


def _bad_name() -> FileFault:
    return FileFault(
        "bad_snapshot_name",
        "the file's name does not match snapshot_at; rename the file or mend the pattern",
    )


def _snapshots(run: _Run, reads: list[_Read]) -> list[datetime | None]:
    """When the rows of each file were true; None where it cannot be told, or a column tells it."""
    kind = projection.snapshot_kind(run.source)
    if kind == "file_modified":
        return [read.state.file_modified_at for read in reads]
    if kind == "column":
        return [None] * len(reads)
    unknown = [read.state.file_name for read in reads if read.state.file_name not in run.named]
    if unknown:
        query = projection.snapshot_names_query(
            run.source.snapshot_at, run.workspace.timezone_of(run.source)
        )
        names = [name.rsplit("/", 1)[-1] for name in unknown]
        run.connection.register("named", pa.table({"place": range(len(names)), "cell": names}))
        found = run.connection.execute(query).fetchall()
        run.connection.unregister("named")
        epoch = datetime.fromtimestamp(0, UTC).replace(tzinfo=None)
        run.named |= {
            name: None if micros is None else epoch + timedelta(microseconds=micros)
            for name, (micros,) in zip(unknown, found, strict=True)
        }
    return [run.named[read.state.file_name] for read in reads]


def _delivery(state: FileState, snapshot: datetime | None) -> projection.Delivery:
    """The facts of the file as a whole."""
    return projection.Delivery(
        state.file_sha256, state.file_name, state.ingested_at, snapshot, state.mapping_version
    )


def _documents(run: _Run, rows: Rows) -> str:
    """Hand JSON documents to DuckDB; what the projection selects from."""
    run.connection.register("delivered", rows.reader)
    if run.source.format.type == "json":
        _unnest(run, rows)
        relation = "elements"
    else:
        relation = "delivered"
    # DuckDB may evaluate both sides of an AND; a CASE keeps json_type from invalid texts.
    is_object = "case when json_valid(doc) then json_type(doc) = 'OBJECT' else false end"
    return f"(select doc, _row_number from {relation} where {is_object})"


def _watched(run: _Run, rows: Rows, state: FileState) -> pa.RecordBatchReader:
    """The same batches; after some seconds, and then now and then, progress is told."""
    delivered = rows.reader

    def batches() -> Iterator[pa.RecordBatch]:
        told = time.monotonic()
        for batch in delivered:
            if time.monotonic() - told > 2:
                told = time.monotonic()
                _say(run, f"{_printable(state.file_name)}: {rows.delivered:,} rows read")
            yield batch

    return pa.RecordBatchReader.from_batches(delivered.schema, batches())


def _unnest(run: _Run, rows: Rows) -> None:
    """Make the table ``elements`` of a JSON document's array, in the document's order.

    Raises:
        FileFault: when the document is not valid, or holds no array where one is declared.
    """
    connection, records = run.connection, run.source.format.records
    connection.execute("create or replace temp table document as select doc from delivered")
    ((is_valid,),) = connection.execute("select json_valid(doc) from document").fetchall()
    if not is_valid:
        raise FileFault("invalid_json", "the document is not valid JSON; export it anew")
    array = projection.json_value("doc", records) if records else "json_extract(doc, '')"
    ((kind,),) = connection.execute(f"select json_type({array}) from document").fetchall()
    if kind != "ARRAY":
        where = "at format.records" if records else "at its top; declare format.records"
        raise FileFault("not_a_table", f"the document has no array {where}")
    connection.execute(
        "create or replace temp table elements as select unnest(list)::varchar as doc, "
        "generate_subscripts(list, 1)::bigint as _row_number "
        f"from (select json_extract({array}, '$[*]') as list from document)"
    )
    connection.execute("drop table document")
    ((rows.delivered,),) = connection.execute("select count(*) from elements").fetchall()
    rows.sample = connection.execute("select * from elements limit 1000").to_arrow_table()


def _copy(run: _Run, rows: Rows, query: str, path: Path) -> int:
    """Write the query's rows as Parquet, streaming; their number."""
    try:
        ((count,),) = run.connection.execute(
            f"copy ({query}) to {projection.quoted(str(path))} "
            f"(format parquet, compression zstd, compression_level {COMPRESSION_LEVEL})"
        ).fetchall()
    except duckdb.Error:
        if rows.fault:
            raise rows.fault from None
        raise
    finally:
        with suppress(duckdb.Error):
            run.connection.unregister("delivered")
    return count


def _warnings(run: _Run, rows: Rows, naive: list[str] | None = None) -> list[str]:
    """What is accepted but should be known: columns left over, times read in the default zone."""
    warnings = []
    extra = [name for place, name in enumerate(rows.names) if place not in set(rows.at.values())]
    extra = [name for name in extra if name.strip()]
    if extra:
        warnings.append(
            f"{projection.count(len(extra), 'column')} not mapped, kept in _extra: "
            f"{projection.shown_names(extra)}"
        )
    naive = _naive(run, rows, rows.sample) if naive is None else naive
    if naive:
        warnings.append(
            f"times without an offset ({', '.join(naive)}) are read in the workspace's "
            f"zone {run.workspace.timezone}; declare timezone in the entry"
        )
    return warnings


def _warnings_of(run: _Run, reads: list[_Read]) -> dict[Key, list[str]]:
    """The warnings of each of many small files; most often none of them has naive times."""
    samples = [read.rows.sample for read in reads if read.rows.sample is not None]
    rows, naive = reads[0].rows, None
    if not samples or not _naive(run, rows, pa.Table.from_batches(samples)):
        naive = []
    return {read.state.key: _warnings(run, read.rows, naive) for read in reads}


def _naive(run: _Run, rows: Rows, sample: pa.RecordBatch | pa.Table | None) -> list[str]:
    """The time columns in which a row names no zone, where none is declared for the source."""
    if run.source.timezone is not None or sample is None:
        return []
    # no file's own facts matter here
    delivery = projection.Delivery("", "", now(), now(), "")
    made = _projection(run, rows, delivery, "sample_objects")
    if not made.naive:
        return []
    run.connection.register("sample", sample)
    relation = "(select * from sample)"
    if rows.is_json:
        relation = "(select * from sample where json_valid(doc))"
    query = f"with sample_objects as {relation} {made.naive}"
    (found,) = run.connection.execute(query).fetchall()
    run.connection.unregister("sample")
    return [column for column, is_so in zip(made.times, found, strict=True) if is_so]


class _Rejects:
    """Writes rejected rows as Parquet, a number at a time; the file appears with the first."""

    def __init__(self, path: Path, state: FileState | None = None) -> None:
        self._path, self.state = path, state
        self._rows: list[tuple[FileState, int, str, str]] = []
        self._writer: pq.ParquetWriter | None = None
        self._error: OSError | None = None
        self.count = 0

    def __enter__(self) -> _Rejects:
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer:
            self._writer.close()

    def add(self, number: int, reason: str, text: str) -> None:
        """Note one row of ``state``. It never raises: Arrow's parser calls it."""
        self._rows.append((self.state, number, reason, text))
        if len(self._rows) >= _REJECTS_AT_ONCE:
            try:
                self._flush()
            except OSError as error:
                self._error = error
                self._rows = []

    def _flush(self) -> None:
        if not self._rows:
            return
        states, numbers, reasons, texts = zip(*self._rows, strict=True)
        columns = {
            "_source": [state.source for state in states],
            "_entity": [state.entity for state in states],
            "_file_sha256": [state.file_sha256 for state in states],
            "_file_name": [state.file_name for state in states],
            "_row_number": numbers,
            "_mapping_version": [state.mapping_version for state in states],
            "reason": reasons,
            "raw_text": texts,
        }
        table = pa.table(columns, schema=_REJECTED_SCHEMA)
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, _REJECTED_SCHEMA, compression="zstd")
        self._writer.write_table(table)
        self.count += len(self._rows)
        self._rows = []

    def close(self) -> None:
        """Write what is left.

        Raises:
            OSError: when writing failed, now or earlier.
        """
        if self._error:
            raise self._error
        self._flush()
        if self._writer:
            self._writer.close()
            self._writer = None


# --- JSON -------------------------------------------------------------------------------------


def _reject_documents(run: _Run, rows: Rows, found: Scan, rejects: _Rejects, loaded: int) -> None:
    """Give the rows that are no JSON objects to the rejects: a second reading, where there are any.

    Raises:
        FileFault: when no row is an object.
    """
    bad = rows.delivered - rows.rejected - loaded
    if rows.delivered and not loaded:
        what = "element is an object" if run.source.format.type == "json" else "line is valid JSON"
        raise FileFault("invalid_json", f"no {what}; check format", rows.delivered)
    if not bad:
        return
    relation = "elements"
    if run.source.format.type == "jsonl":
        again = reader.open_rows(
            Path(), found, run.source.format, (), lambda number, reason, text: None
        )
        run.connection.register("delivered", again.reader)
        relation = "delivered"
    is_object = "case when json_valid(doc) then json_type(doc) = 'OBJECT' else false end"
    batches = run.connection.execute(
        f"select _row_number, doc from {relation} where not ({is_object})"
    ).to_arrow_reader(_REJECTS_AT_ONCE)
    for batch in batches:
        for number, text in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            rejects.add(number, "invalid_json", text)
    rows.rejected += bad


def _check_documents(run: _Run, path: Path, loaded: int, warnings: list[str]) -> None:
    """See that what the mapping names is in the documents; JSON has no header that would tell.

    Raises:
        FileFault: when no document has anything that is mapped, or none has the entity's key.
    """
    if not loaded:
        return
    entity = ENTITIES[run.source.entity]
    names = [name for name in entity.column_names if name in run.source.columns]
    absent = [name for name, number in _filled(path, names).items() if not number]
    if len(absent) == len(names):
        message = "no document has any member that the mapping names; it may be an error's body"
        raise FileFault("not_a_table", message, loaded)
    key = entity.column_names[0]
    if key in absent:
        message = f"no document has '{key}' where the mapping looks for it; mend the mapping"
        raise FileFault("missing_column", message, loaded)
    if absent:
        warnings.append(f"never there in this file: {', '.join(absent)}")


def _filled(path: Path, names: list[str]) -> dict[str, int]:
    """For each text column of a Parquet file the number of rows that have it, by its statistics."""
    metadata = pq.read_metadata(path)
    groups = [metadata.row_group(place) for place in range(metadata.num_row_groups)]
    places = {
        groups[0].column(place).path_in_schema: place for place in range(metadata.num_columns)
    }
    return {
        name: sum(
            group.num_rows - group.column(places[name]).statistics.null_count for group in groups
        )
        for name in names
    }
