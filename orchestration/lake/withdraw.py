"""Withdraw a delivered file: its rows leave the lake, its bytes stay in the archive.

A withdrawal is a line of the manifest. Until it is undone, the same bytes are not loaded again,
under whatever name and mapping; the next run removes the rows that were loaded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from orchestration.core.errors import UserError
from orchestration.lake.manifest import Event, FileState, Manifest
from orchestration.lake.names import printable, stored_name
from orchestration.lake.scan import hash_file
from orchestration.lake.session import clear_errors
from orchestration.workspace.model import Workspace
from orchestration.workspace.rules import did_you_mean

# So many digits of a SHA-256 are taken for one: a file's name is tried first.
_SHA256 = re.compile(r"[0-9a-f]{8,64}")


def withdraw(workspace: Workspace, what: str, *, undo: bool = False) -> list[FileState]:
    """Record that a delivered file is withdrawn, or that it counts again.

    The caller holds the workspace's lock.

    Args:
        workspace: the workspace.
        what: the file's name as its source knows it, with or without ``landing/<source>/`` before
            it, the path of a file with the same bytes, or the first eight or more digits of its
            SHA-256.
        undo: take a withdrawal back.

    Returns:
        The states as they were: one for each entity that the file feeds.

    Raises:
        UserError: there is no such file, or there are several.
    """
    with clear_errors(f"lake below {workspace.root}"):
        manifest = Manifest.load(workspace.manifest_file)
        found = _found(workspace, manifest, what)
        states = [state for state in found if (state.status == "withdrawn") is undo]
        if found and not states:
            done = "is not withdrawn" if undo else "is withdrawn already"
            raise UserError(f"{printable(what)}: the file {done}")
        if not states:
            raise UserError(_unknown(manifest, what))
        if len({state.file_sha256 for state in states}) > 1:
            raise UserError(_ambiguous(states, what))
        event: Event = "restored" if undo else "withdrawn"
        manifest.append_all([manifest.record(state, event) for state in states])
    return states


def _found(workspace: Workspace, manifest: Manifest, what: str) -> list[FileState]:
    """The states of the files that the words may mean."""
    known = [
        state
        for state in manifest.states.values()
        if state.status != "retired" and not state.file_sha256.startswith("unread:")
    ]
    named = [state for state in known if _names(workspace, manifest, state) & {stored_name(what)}]
    sha256 = None
    with suppress(OSError):
        sha256 = hash_file(Path(what)) if Path(what).is_file() else None
    if sha256:
        # of a file in landing the source is known, too
        alike = [state for state in known if state.file_sha256 == sha256]
        return [state for state in alike if state in named] or alike
    if named:
        return named
    start = what.lower()
    if _SHA256.fullmatch(start):
        return [state for state in known if state.file_sha256.startswith(start)]
    return []


def _names(workspace: Workspace, manifest: Manifest, state: FileState) -> set[str]:
    """What a file may be called: by its name in its source, and from folders above."""
    names = {state.file_name} | {
        name
        for (source, entity, name), (_, sha256) in manifest.seen.items()
        if (source, entity, sha256) == state.key
    }
    return {
        prefix + name
        for name in names
        for prefix in (
            "",
            f"{state.source}/",
            f"landing/{state.source}/",
            f"{workspace.landing}/{state.source}/",
        )
    }


def _unknown(manifest: Manifest, what: str) -> str:
    names = {state.file_name for state in manifest.states.values() if state.status != "retired"}
    hint = did_you_mean(Path(what).name, names) or (
        "; marts.ingest_reconciliation lists the files and their SHA-256"
    )
    return f"{printable(what)}: no such file was delivered{hint}"


def _ambiguous(states: Iterable[FileState], what: str) -> str:
    lines = [
        f"{state.file_sha256[:12]} of {state.ingested_at:%Y-%m-%d %H:%M} "
        f"({state.source}/{state.entity}, {state.rows_loaded:,} rows)"
        for state in states
    ]
    return f"{printable(what)}: several deliveries; name one by its SHA-256: {', '.join(lines)}"


def gone_files(manifest: Manifest, source: str, entity: str, present: set[str]) -> Iterator[str]:
    """The names of loaded files that are no longer in landing, under no name.

    Args:
        manifest: the manifest.
        source: the source's name.
        entity: what the files are read as.
        present: the names of the files in landing.
    """
    of_entry = {
        name: sha256
        for (of, kind, name), (_, sha256) in manifest.seen.items()
        if (of, kind) == (source, entity)
    }
    still = {sha256 for name, sha256 in of_entry.items() if name in present}
    for name, sha256 in of_entry.items():
        state = manifest.states.get((source, entity, sha256))
        if name not in present and sha256 not in still and state and state.status == "loaded":
            yield name
