"""Load one scanned file, or quarantine it; many small files together."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from orchestration.core.atomic_write import MANY, commit, commit_all, scratch
from orchestration.lake import packs, reader
from orchestration.lake.columns import recorded_names, snapshot_kind, wanted_columns
from orchestration.lake.documents import check_documents, read_cells
from orchestration.lake.faults import FileFault
from orchestration.lake.manifest import FileState
from orchestration.lake.names import printable
from orchestration.lake.projection import Delivery
from orchestration.lake.rawfile import GROUP, Part, Written, write_raw
from orchestration.lake.rejects import Rejects
from orchestration.lake.rows import Rows
from orchestration.lake.scan import Scan
from orchestration.lake.session import (
    FILES_AT_ONCE,
    ReadFile,
    Run,
    WrittenFile,
    archived_file,
    count_quarantined,
    remove_files,
    report_progress,
)
from orchestration.lake.times import snapshot_names_query
from orchestration.lake.warnings import (
    assumed_timezone,
    file_warnings,
    warnings_by_file,
)
from orchestration.workspace.model import Source

# Files up to this size are written together, up to this many files and bytes.
_SMALL = 256 << 10
_SMALL_FILES = 10_000
_SMALL_BYTES = 32 << 20


def load_file(run: Run, read: ReadFile) -> None:
    """Write a scanned file's Parquet files, or quarantine it, and record which.

    Small files are collected: many of them share a Parquet file and a sync.
    """
    is_small = run.source.format.is_delimited and read.found.text_size <= _SMALL
    # a pack has old rows of it: of another mapping, or of a lost Parquet file
    packed = run.manifest.packs_of(read.old) or run.manifest.packs_of(read.state)
    run.leaves_pack = run.leaves_pack or bool(packed)
    if not is_small:
        if run.pending:
            flush(run)
        _settle(run, FILES_AT_ONCE - 1)
        run.jobs[read.state.file_sha256] = read, run.pool.submit(_made_or_not, run, read)
        return
    _read_small(run, read)
    if not _alike(run.pending, read):
        flush(run)
    run.pending[read.state.file_sha256] = read
    run.pending_bytes += read.found.text_size
    if len(run.pending) >= _SMALL_FILES or run.pending_bytes > _SMALL_BYTES:
        flush(run)


def _alike(pending: dict[str, ReadFile], read: ReadFile) -> bool:
    """Whether a small file has the columns of those collected; a faulty one always fits."""
    last = next((each.rows for each in reversed(pending.values()) if each.rows), None)
    if last is None or read.rows is None:
        return True
    return (last.names, last.at) == (read.rows.names, read.rows.at)


def _keep_bytes(run: Run, read: ReadFile) -> None:
    """Move the copy of a file's bytes into the archive, unless the archive has them."""
    if read.copy:
        kept = archived_file(run.workspace, read.state.file_sha256)
        commit(read.copy, kept)
        read.found.text = kept if read.found.text == read.copy else read.found.text
        read.copy = None


def _read_small(run: Run, read: ReadFile) -> None:
    """Read a small file as a whole; keep its fault for ``flush``."""

    def add(number: int, reason: str, text: str) -> None:
        read.rejects.append((number, reason, text))

    form = run.source.format
    path = read.copy or archived_file(run.workspace, read.state.file_sha256)
    try:
        rows = reader.open_rows(path, read.found, form, wanted_columns(run.source), add)
        read.batches = [batch for batch in rows.reader if len(batch)]
        _not_empty(rows, run.source)
        read.rows = rows
    except FileFault as fault:
        read.fault = fault


def _not_empty(rows: Rows, source: Source) -> None:
    if rows.delivered == 0 and not source.format.allow_empty:
        raise FileFault("header_only", "the file has no rows; declare format.allow_empty", 0)


def flush(run: Run) -> None:
    """Write and record all collected files, in their order; many small ones together."""
    _settle(run)
    reads = list(run.pending.values())
    run.pending, run.pending_bytes = {}, 0
    if not reads:
        return
    for read, snapshot in zip(reads, _snapshots(run, reads), strict=True):
        if snapshot is None and snapshot_kind(run.source) != "column":
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
        _write_small(run, raw_copy, loaded)
        with Rejects(rejected_copy, loaded[0].state) as rejects:
            for read in loaded:
                rejects.state = read.state
                for row in read.rejects:
                    rejects.add(*row)
            rejects.close()
        pairs = [
            (read.copy, archived_file(workspace, read.state.file_sha256))
            for read in reads
            if read.copy
        ]
        pairs += [(rejected_copy, rejected)] if rejects.count else []
        commit_all([*pairs, (raw_copy, raw)])
    warnings = warnings_by_file(run, loaded)
    done = [
        _quarantined_state(run, read, read.fault)
        if read.fault
        else _loaded_state(run, read, _rows_of(run, read.batches), warnings[read.state.key])
        for read in reads
    ]
    pack = run.manifest.pack_record(source.name, source.entity, name, members)
    events = [each for pair in zip(reads, done, strict=True) for each in _events(run, *pair)]
    run.manifest.append_all([pack, *events])
    for pair in zip(reads, done, strict=True):
        _recorded(run, *pair)


def _write_small(run: Run, path: Path, reads: list[ReadFile]) -> Written:
    """Write the rows of small files as one Parquet file."""
    parts = [
        (_delivery(read.state, snapshot), batch)
        for read, snapshot in zip(reads, _snapshots(run, reads), strict=True)
        for batch in read.batches
    ]
    has_marks = any(read.found.has_marks for read in reads)
    return _write(run, path, reads[0].opened, _chunks(parts), has_marks=has_marks)


def _write(
    run: Run, path: Path, rows: Rows, chunks: Iterable[list[Part]], *, has_marks: bool
) -> Written:
    return write_raw(
        path,
        rows,
        chunks,
        workspace=run.workspace,
        source=run.source,
        has_marks=has_marks,
        connect=lambda: run.connection,
        pool=run.helpers,
    )


def _chunks(parts: list[Part]) -> Iterator[list[Part]]:
    """The parts in chunks of about one row group."""
    chunk: list[Part] = []
    size = 0
    for part in parts:
        chunk, size = [*chunk, part], size + len(part[1])
        if size >= GROUP:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _settle(run: Run, at_most: int = 0) -> None:
    """Record files that threads read, in the files' order, until ``at_most`` are left."""
    while len(run.jobs) > at_most:
        sha256 = next(iter(run.jobs))
        read, job = run.jobs[sha256]
        made = job.result()
        del run.jobs[sha256]
        _finish(run, read, made)


def _made_or_not(run: Run, read: ReadFile) -> WrittenFile | FileFault:
    try:
        if read.fault:
            raise read.fault
        return _load(run, read)
    except FileFault as fault:
        return fault


def _quarantined_state(run: Run, read: ReadFile, fault: FileFault) -> FileState:
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
        columns=(),
        assumed_timezone=None,
    )


def _rows_of(run: Run, batches: list[pa.RecordBatch]) -> int:
    """The lake's rows of delivered ones."""
    return sum(map(len, batches)) * len(run.source.parts)


def _loaded_state(run: Run, read: ReadFile, loaded: int, warnings: list[str]) -> FileState:
    # a row that can be read is as many rows as it holds answers; one that cannot is one
    read_rows = read.opened.delivered - read.opened.rejected
    return replace(
        read.state,
        status="loaded",
        reason=None,
        message=None,
        rows_delivered=read.opened.rejected + read_rows * len(run.source.parts),
        rows_loaded=loaded,
        rows_rejected=read.opened.rejected,
        rows_blank=read.opened.blank,
        warnings=tuple(warnings),
        columns=() if read.opened.is_json else recorded_names(read.opened.names),
        assumed_timezone=assumed_timezone(run, warnings),
    )


def _events(run: Run, read: ReadFile, done: FileState) -> list[dict[str, Any]]:
    """The manifest's events of a file that was read."""
    recorded = replace(done, file_name=read.name or done.file_name)
    events = [run.manifest.record(recorded, done.status, read.status)]
    if _is_replaced(run, read):
        events.append(run.manifest.record(read.old, "retired"))
    return events


def _is_replaced(run: Run, read: ReadFile) -> bool:
    return read.old.mapping_version != run.version and read.old.status == "loaded"


def _finish(run: Run, read: ReadFile, made: WrittenFile | FileFault) -> None:
    """Rename one file's bytes and rows to their names, and record it."""
    _keep_bytes(run, read)
    if isinstance(made, FileFault):
        done = _quarantined_state(run, read, made)
        # The same file may have been loaded under this mapping once, and its Parquet lost.
        remove_files(run.workspace, done)
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


def _recorded(run: Run, read: ReadFile, done: FileState) -> None:
    """Remove what a recorded file replaces, and count it."""
    if read.text:
        read.text.unlink(missing_ok=True)
    if _is_replaced(run, read):
        remove_files(run.workspace, read.old)
    for warning in done.warnings:
        run.noted[warning].append(printable(read.name or done.file_name))
    run.result.rows_delivered += done.rows_delivered
    run.result.rows_loaded += done.rows_loaded
    run.result.rows_rejected += done.rows_rejected
    run.result.rows_blank += done.rows_blank
    if read.name is None:
        return
    if done.status == "loaded":
        run.result.files_new += 1
    else:
        count_quarantined(run, read.name, done)


def _countable(source: Source, found: Scan) -> int:
    """Rows of a file that could not be read: its lines after the header."""
    if source.format.type == "json":
        return 0
    header = source.format.header_rows if source.format.is_delimited else 0
    return max(0, found.lines - header)


def _load(run: Run, read: ReadFile) -> WrittenFile:
    """Write the raw and, if there are any, the rejected rows of one file under temporary names.

    Raises:
        FileFault: when the file as a whole is not to be loaded.
    """
    workspace, source, form, state = run.workspace, run.source, run.source.format, read.state
    path = read.copy or archived_file(workspace, state.file_sha256)
    (snapshot,) = _snapshots(run, [read])
    if snapshot is None and snapshot_kind(source) != "column":
        raise _bad_name()
    delivery = _delivery(state, snapshot)
    with ExitStack() as here:
        raw_temporary = here.enter_context(scratch(workspace.raw / source.entity))
        rejected_temporary = here.enter_context(scratch(workspace.rejected / source.entity))
        rejects = here.enter_context(Rejects(rejected_temporary, state))
        if read.rows is not None:  # a small file, read before
            written = _write_small(run, raw_temporary, [read])
            warnings = file_warnings(run, read.rows)
            for row in read.rejects:
                rejects.add(*row)
        else:
            wanted = wanted_columns(source)
            read.rows = rows = reader.open_rows(path, read.found, form, wanted, rejects.add)
            rows.reader = _watched(run, rows, state)
            if rows.is_json:
                read_cells(run, rows, rejects.add)
            warnings = file_warnings(run, rows)
            chunks = ([(delivery, batch)] for batch in rows.reader)
            has_marks = read.found.has_marks
            written = _write(run, raw_temporary, rows, chunks, has_marks=has_marks)
            if rows.is_json:
                check_documents(run, rows, written, warnings)
        _not_empty(read.opened, source)
        rejects.close()
        run.closing.push(here.pop_all())  # what is not renamed is removed with the run
    done = _loaded_state(run, read, written.rows, warnings)
    return WrittenFile(done, raw_temporary, rejected_temporary if rejects.count else None)


def _bad_name() -> FileFault:
    return FileFault(
        "bad_snapshot_name",
        "the file's name does not match snapshot_at; rename the file or fix the pattern",
    )


def _snapshots(run: Run, reads: list[ReadFile]) -> list[datetime | None]:
    """The snapshot time of each file; None where a column has it or the name does not match."""
    kind = snapshot_kind(run.source)
    if kind == "file_modified":
        return [read.state.file_modified_at for read in reads]
    if kind == "column":
        return [None] * len(reads)
    unknown = [read.state.file_name for read in reads if read.state.file_name not in run.named]
    if unknown:
        query = snapshot_names_query(run.source.snapshot_at, run.workspace.timezone_of(run.source))
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


def _delivery(state: FileState, snapshot: datetime | None) -> Delivery:
    """The facts of the file as a whole."""
    return Delivery(
        state.file_sha256, state.file_name, state.ingested_at, snapshot, state.mapping_version
    )


def _watched(run: Run, rows: Rows, state: FileState) -> pa.RecordBatchReader:
    """The same batches; progress is reported every two seconds, and a stopping run ends here."""
    delivered = rows.reader

    def batches() -> Iterator[pa.RecordBatch]:
        reported = time.monotonic()
        for batch in delivered:
            run.check_stopping()
            if time.monotonic() - reported > 2:
                reported = time.monotonic()
                report_progress(run, f"{printable(state.file_name)}: {rows.delivered:,} rows read")
            yield batch

    return pa.RecordBatchReader.from_batches(delivered.schema, batches())
