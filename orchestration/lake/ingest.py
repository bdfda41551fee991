"""Ingest one source: archive and load what is new, quarantine what cannot be read, record both.

Each file becomes one Parquet file named by its bytes and its mapping, or shares one with other
small files (see ``packs``), or is quarantined with a reason; either way its bytes are archived and
the manifest has a line. Loading the same bytes again is a no-op; after a change of the mapping they
are read again from the archive; a crash leaves at most what the next ``prepare_lake`` sweeps.
"""

from __future__ import annotations

import hashlib
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from orchestration.core.atomic_write import temporary
from orchestration.lake import packs, projection, scan
from orchestration.lake.faults import FileFault
from orchestration.lake.landing import (
    check_unchanged,
    inspect_file,
    landing_files,
    report_vanished,
)
from orchestration.lake.load_file import flush, load_file
from orchestration.lake.manifest import FileState, Manifest, Stat, now
from orchestration.lake.names import printable, stored_name
from orchestration.lake.parquet import partitions
from orchestration.lake.session import (
    IngestResult,
    Progress,
    ReadFile,
    Run,
    archived_file,
    clear_errors,
    count_quarantined,
    report_progress,
    scratch_file,
)
from orchestration.lake.withdraw import gone_files
from orchestration.workspace.model import Source, Workspace

# Begins the key of a file that was never read: it has no hash of its bytes.
_UNREAD = "unread:"
# Another name may fix these.
_OF_THE_NAME = ("bad_snapshot_name", "compressed_file")


def ingest_source(
    workspace: Workspace, source: Source, progress: Progress | None = None
) -> IngestResult:
    """Ingest the files of one source: new ones, and those that a changed mapping reads differently.

    A faulty file never stops the others. The caller holds the workspace's lock and has called
    ``prepare_lake``. An interrupt ends all threads; what is not recorded is ingested next time.

    Args:
        workspace: the workspace.
        source: one of its sources.
        progress: called every few seconds with a line about the file being read.

    Raises:
        UserError: when the disk is full or the workspace cannot be written.
    """
    result = IngestResult(source.name, source.entity)
    with clear_errors(source.label), ExitStack() as closing:
        run = Run(
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
            flush(run)
            paths = landing_files(workspace, source)
            result.files_found = len(paths)
            for place, path in enumerate(paths, start=1):
                report_progress(run, f"file {place:,} of {len(paths):,}")
                _ingest_file(run, path)
            flush(run)
        finally:
            run.stop()
        _forget_unread(run)
        present = {_name_of(workspace, source, path) for path in paths}
        result.files_gone += gone_files(run.manifest, source.name, source.entity, present)
        if run.leaves_pack:
            packs.repair(workspace, run.manifest)
        for message, files in run.noted.items():
            more = f" and {len(files) - 1:,} more" if len(files) > 1 else ""
            result.warnings.append(f"{source.label}: {files[0]}{more}: {message}")
    return result


def _rederive(run: Run) -> None:
    """Read again from the archive what the lake lacks under the current mapping."""
    stale = [
        state
        for state in run.manifest.of(run.source.name, run.source.entity)
        if not run.is_current(state) and not state.file_sha256.startswith(_UNREAD)
    ]
    for place, state in enumerate(stale, start=1):
        report_progress(run, f"reading again {place:,} of {len(stale):,}")
        path = archived_file(run.workspace, state.file_sha256)
        if not path.exists():
            run.noted["its bytes are no longer in the archive"].append(printable(state.file_name))
            continue
        text = scratch_file(run)
        found = scan.scan_file(path, run.source.format, scratch=text, name=state.file_name)
        if found.sha256 != state.file_sha256:
            message = "its bytes in the archive are damaged; the rows that were read from them stay"
            run.noted[message].append(printable(state.file_name))
            continue
        present = replace(state, mapping_version=run.version)
        load_file(run, ReadFile(present, state, found, text=text))
        run.result.files_rederived += 1


def _ingest_file(run: Run, path: Path) -> None:
    """Ingest one file of landing, unless the lake has it."""
    name = _name_of(run.workspace, run.source, path)
    try:
        real, status = inspect_file(run.workspace, run.source, path)
        _take_up(run, real, name, status)
    except FileFault as fault:
        _never_read(run, name, fault)


def _name_of(workspace: Workspace, source: Source, path: Path) -> str:
    """The name of a file of landing, as the manifest keeps it."""
    return stored_name(path.relative_to(workspace.landing / source.name).as_posix())


def _take_up(run: Run, path: Path, name: str, status: Stat) -> None:
    """Archive, read and record one file.

    Raises:
        FileFault: when it is still being written; nothing of it is kept.
    """
    source, entity = run.source.name, run.source.entity
    before, sha256 = run.manifest.seen.get((source, entity, name), (None, ""))
    if before == status and _is_known(run, name, sha256):
        return
    # A file of a known size may be a known file: hashing alone is cheaper than reading.
    if status.size in run.sizes:
        with report_vanished(path):
            sha256 = scan.hash_file(path)
        check_unchanged(path, status)
        if sha256 in run.pending or sha256 in run.jobs:
            flush(run)
        if _is_known(run, name, sha256, status):
            return
    run.sizes.add(status.size)
    copy, text = temporary(run.workspace.archive), scratch_file(run)
    run.closing.callback(copy.unlink, missing_ok=True)
    with report_vanished(path):
        found = scan.scan_file(path, run.source.format, archive=copy, scratch=text, name=name)
    check_unchanged(path, status)
    if found.sha256 in run.pending or found.sha256 in run.jobs:
        flush(run)
    kept = archived_file(run.workspace, found.sha256)
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
    # rows are of the name under which they are first read
    first_name = name if old.status == "quarantined" else old.file_name
    state = replace(old, mapping_version=run.version, file_name=first_name)
    load_file(run, ReadFile(state, old, found, status, name, None if is_kept else copy, text))


def _is_known(run: Run, name: str, sha256: str, status: Stat | None = None) -> bool:
    """Whether the lake has these bytes; if so, count them and record the new name."""
    state = run.manifest.states.get((run.source.name, run.source.entity, sha256))
    if state is None or not run.is_current(state):
        return False
    if state.reason in _OF_THE_NAME and not _was_read_as(run, name, sha256):
        return False
    if status is not None or state.status == "quarantined":
        flush(run)  # the manifest keeps the order of the files
    if status is not None:
        run.manifest.append(replace(state, file_name=name), "seen_again", status)
        if _is_other_part(run, name, state.file_name):
            message = "the same bytes lie in another folder, whose rows they are; they count once"
            run.noted[message].append(printable(name))
    if state.status in ("loaded", "withdrawn"):
        run.result.files_unchanged += 1
    else:
        count_quarantined(run, name, state)
    return True


def _is_other_part(run: Run, name: str, first_name: str) -> bool:
    """Whether folders say of one of two Parquet files what they don't say of the other."""
    is_parquet = run.source.format.type == "parquet"
    return is_parquet and partitions(name) != partitions(first_name)


def _was_read_as(run: Run, name: str, sha256: str) -> bool:
    """Whether these bytes were read under this name before."""
    seen = run.manifest.seen.get((run.source.name, run.source.entity, name))
    return seen is not None and seen[1] == sha256


def _unread_key(name: str) -> str:
    return _UNREAD + hashlib.sha256(name.encode()).hexdigest()


def _never_read(run: Run, name: str, fault: FileFault) -> None:
    """Report a file that cannot be opened; record it once, unless it is still being written."""
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
    flush(run)
    count_quarantined(run, name, state)
    run.unread.add(state.file_sha256)
    if fault.reason == "still_being_written":
        return
    known = run.manifest.states.get(state.key)
    if not known or (known.status, known.message) != ("quarantined", fault.message):
        run.manifest.append(state, "quarantined")


def _forget_unread(run: Run) -> None:
    """Retire the problems of files that are gone or that could be read now."""
    for state in run.manifest.of(run.source.name, run.source.entity):
        is_unread = state.file_sha256.startswith(_UNREAD) and state.status == "quarantined"
        if is_unread and state.file_sha256 not in run.unread:
            run.manifest.append(state, "retired")
