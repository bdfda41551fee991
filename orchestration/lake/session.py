"""What the steps of one source's ingest share: its state, its threads, its result."""

from __future__ import annotations

import shutil
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from duckdb.func import PythonUDFType

from orchestration.core.atomic_write import temporary
from orchestration.core.errors import UserError
from orchestration.core.files import DISK_FULL, reason_of
from orchestration.lake import packs
from orchestration.lake.ahead import THREADS
from orchestration.lake.faults import FileFault
from orchestration.lake.manifest import FileState, Manifest, Stat
from orchestration.lake.names import printable
from orchestration.lake.rows import Rows
from orchestration.lake.scan import Scan
from orchestration.workspace.model import Source, Workspace

Progress = Callable[[str], None]
"""Called every few seconds with one line about the file being read."""
# The threads that read big files; more would only take more memory.
FILES_AT_ONCE = 2


class Stopped(Exception):
    """Ends the work of a thread when its run was interrupted or failed; it is never reported."""


@dataclass(frozen=True)
class FileProblem:
    """Why one file in landing is not in the lake."""

    file_name: str
    reason: str
    message: str


@dataclass
class IngestResult:
    """What one source's ingest did.

    ``files_found = files_new + files_unchanged + files_quarantined``; a file may be quarantined
    since an earlier run; a withdrawn one counts as unchanged. ``files_gone`` are the names of
    loaded files that are no longer in landing. Rows are counted for the files read in this run,
    including those read
    again because the mapping changed (``files_rederived``).
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
    files_gone: list[str] = field(default_factory=list)


def archived_file(workspace: Workspace, sha256: str) -> Path:
    """Where the archive keeps the bytes of a delivered file."""
    return workspace.archive / sha256[:2] / sha256


def remove_files(workspace: Workspace, state: FileState) -> None:
    """Remove the Parquet files of a file; ``packs.repair`` removes its rows from packs."""
    for top in (workspace.raw, workspace.rejected):
        packs.own_file(top, state).unlink(missing_ok=True)


@dataclass
class ReadFile:
    """A file that was scanned and is not recorded yet.

    Attributes:
        state: the state to record, with the current mapping's version.
        old: the state in the manifest.
        found: what the scan found.
        status: the landing file's status, and ``name`` its name; None: it is read from the archive.
        copy: a temporary copy of its bytes, if the archive has none.
        text: where its text was written as UTF-8, if its bytes are in another encoding.
        rows: the opened small file; ``batches`` and ``rejects`` are all of its rows.
        fault: why the whole file is quarantined.
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

    @property
    def opened(self) -> Rows:
        """The rows of a file that was opened.

        Raises:
            RuntimeError: it was not opened.
        """
        if self.rows is None:
            raise RuntimeError("the file was not opened")
        return self.rows


@dataclass(frozen=True)
class WrittenFile:
    """A file's Parquet files under temporary names, and the state to record after the rename."""

    done: FileState
    raw: Path
    rejected: Path | None


@dataclass
class Run:
    """What the steps of one source's ingest share."""

    workspace: Workspace
    source: Source
    progress: Progress | None
    closing: ExitStack
    result: IngestResult
    manifest: Manifest
    version: str
    unread: set[str] = field(default_factory=set)
    pending: dict[str, ReadFile] = field(default_factory=dict)  # small files, by their SHA-256
    pending_bytes: int = 0
    jobs: dict[str, tuple[ReadFile, Future[WrittenFile | FileFault]]] = field(default_factory=dict)
    connections: dict[int, duckdb.DuckDBPyConnection] = field(default_factory=dict)  # by thread
    stopping: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    leaves_pack: bool = False
    named: dict[str, datetime | None] = field(default_factory=dict)
    noted: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    @cached_property
    def sizes(self) -> set[int]:
        """The sizes of the files that were read before."""
        return {
            stat.size
            for (source, entity, _), (stat, _) in self.manifest.seen.items()
            if (source, entity) == (self.source.name, self.source.entity)
        }

    @cached_property
    def database(self) -> duckdb.DuckDBPyConnection:
        """The in-memory database that all threads share, made when the first file needs it."""
        spill = temporary(self.workspace.lake)
        self.closing.callback(shutil.rmtree, spill, ignore_errors=True)
        settings: dict[str, Any] = {
            "temp_directory": str(spill),
            "autoinstall_known_extensions": False,
            "threads": 1,
        }
        if self.workspace.memory_limit:
            settings["memory_limit"] = self.workspace.memory_limit.replace(" ", "")
        connection = self.closing.enter_context(duckdb.connect(":memory:", config=settings))
        connection.create_function("nfkc", _nfkc, ["VARCHAR"], "VARCHAR", type=PythonUDFType.ARROW)
        return connection

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The calling thread's own connection to the database."""
        own = self.connections.get(threading.get_ident())
        if own is None:
            with self.lock:
                own = self.closing.enter_context(self.database.cursor())
                self.connections[threading.get_ident()] = own
            own.execute("set TimeZone = 'UTC'")
        return own

    @cached_property
    def pool(self) -> ThreadPoolExecutor:
        """The threads that read big files; most of their work releases Python's lock."""
        return ThreadPoolExecutor(FILES_AT_ONCE, thread_name_prefix="ingest")

    @cached_property
    def helpers(self) -> ThreadPoolExecutor:
        """The threads that compute while those of the files read and write."""
        return ThreadPoolExecutor(THREADS, thread_name_prefix="ingest-helper")

    def stop(self) -> None:
        """End all threads within a second; what they wrote has no name yet and is removed."""
        self.stopping.set()
        for connection in list(self.connections.values()):
            connection.interrupt()
        for name in ("pool", "helpers"):
            if name in self.__dict__:
                getattr(self, name).shutdown(wait=True, cancel_futures=True)

    def check_stopping(self) -> None:
        """End the calling thread's work if the run is stopping.

        Raises:
            Stopped: the run is stopping.
        """
        if self.stopping.is_set():
            raise Stopped

    def is_current(self, state: FileState | None) -> bool:
        """Whether the lake holds the file's rows as the current mapping makes them.

        Of a withdrawn file that is none.
        """
        if state is not None and state.status == "withdrawn":
            return True
        if state is None or state.mapping_version != self.version or state.status == "retired":
            return False
        if state.status == "quarantined":
            return True
        return packs.file_of(self.workspace.raw, self.manifest, state).exists()


def _nfkc(texts: pa.Array) -> pa.Array:
    return pc.utf8_normalize(texts, "NFKC")


def report_progress(run: Run, text: str) -> None:
    """Call the run's ``progress``, if it has one, with a line about its source."""
    if run.progress:
        run.progress(f"{run.source.label}: {text}")


@contextmanager
def clear_errors(what: str) -> Iterator[None]:
    """Turn an error of the system or the database into one line that quotes no cell.

    Args:
        what: what was being done, such as the source's label.

    Raises:
        UserError: the disk is full, a file cannot be read or written, or memory does not suffice.
        RuntimeError: another error of the database, by its name.
    """
    try:
        yield
    except (OSError, duckdb.IOException, duckdb.OutOfMemoryException) as error:
        if reason_of(error) == DISK_FULL or "max_temp_directory_size" in str(error):
            raise UserError(f"{what}: {DISK_FULL}; free some space") from None
        if isinstance(error, OSError):
            place = f" ({printable(str(error.filename))})" if error.filename else ""
            raise UserError(f"{what}: {error.strerror or type(error).__name__}{place}") from None
        if isinstance(error, duckdb.IOException):
            raise UserError(f"{what}: {str(error).splitlines()[0]}") from None
        raise UserError(f"{what}: not enough memory; raise memory_limit in workspace.yml") from None
    except (duckdb.DataError, duckdb.InvalidInputException, duckdb.ConversionException) as error:
        raise RuntimeError(f"{what}: {type(error).__name__}") from None


def scratch_file(run: Run) -> Path:
    """A temporary name whose file is removed when the run ends."""
    text = temporary(run.workspace.lake)
    run.closing.callback(text.unlink, missing_ok=True)
    return text


def count_quarantined(run: Run, name: str, state: FileState) -> None:
    """Add a quarantined file and its problem to the result."""
    run.result.files_quarantined += 1
    problem = FileProblem(printable(name), state.reason or "", state.message or "")
    run.result.problems.append(problem)
