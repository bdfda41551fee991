"""Merge many small Parquet files of the lake into few bigger ones.

The rows of a file are in a Parquet file of its own, or with those of others in a *pack*; they are
the same in either, provenance included. The manifest lists a pack's members in a line ``packed``
before the pack is renamed to its name, and the files it replaces are removed last. So the rows of a
file are in the newest listed pack that exists, else in its own file. Anything else was left by a
crash and is removed by the next ``repair``, with which a run begins.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from orchestration.core.atomic_write import MANY, commit, scratch
from orchestration.core.errors import UserError
from orchestration.lake.damage import damage_message
from orchestration.lake.manifest import FileState, Manifest, Member
from orchestration.lake.rawfile import write_groups
from orchestration.workspace.model import Workspace

# The files of the raw and rejected folders that are ours to remove.
_LAKE_FILE = re.compile(r"[a-z][a-z0-9_]*-([0-9a-f]{64}-[0-9a-f]{12}|packed-[0-9a-f]{64})\.parquet")
# Packs of this many rows are left as they are: bigger ones would be read no faster.
_FULL = 1_000_000
# What the rows of one file have in common.
_REPEATED = (
    "_source",
    "_entity",
    "_customer_source",
    "_file_sha256",
    "_file_name",
    "_mapping_version",
)


def pack_name(source: str, members: Iterable[Member]) -> str:
    """The name of the Parquet file that holds just these files' rows."""
    lines = "\n".join(" ".join(member) for member in sorted(members))
    return f"{source}-packed-{hashlib.sha256(lines.encode()).hexdigest()}.parquet"


def own_file(top: Path, state: FileState) -> Path:
    """The Parquet file of a file alone; ``top`` is the raw or the rejected folder."""
    name = f"{state.source}-{state.file_sha256}-{state.mapping_version}.parquet"
    return top / state.entity / name


def file_of(top: Path, manifest: Manifest, state: FileState) -> Path:
    """The Parquet file that has the rows of a file; it need not exist."""
    for name in manifest.packs_of(state):
        path = top / state.entity / name
        if path.exists():
            return path
    return own_file(top, state)


def repair(workspace: Workspace, manifest: Manifest) -> None:
    """Remove Parquet files whose rows no longer count, and such rows from packs."""
    for top in (workspace.raw, workspace.rejected):
        members: dict[Path, list[FileState]] = defaultdict(list)
        for state in manifest.states.values():
            if state.status == "loaded":
                members[file_of(top, manifest, state)].append(state)
        for path in sorted(top.glob("*/*.parquet")):
            if not _LAKE_FILE.fullmatch(path.name):
                continue
            states = members.get(path, [])
            if not states:
                path.unlink()
            elif len(states) < len(_members(manifest, states[0], path)):
                _merge(manifest, states, [path], path.parent)


def compact(workspace: Workspace, manifest: Manifest) -> None:
    """Merge Parquet files of about one size into a pack; call ``repair`` first.

    Files are classed by powers of sixteen rows: a row is rewritten only when its file's class
    grows, and a source and entity never have more than some dozens of files.
    """
    for top in (workspace.raw, workspace.rejected):
        files: dict[Path, list[FileState]] = defaultdict(list)
        for state in manifest.states.values():
            if state.status == "loaded":
                files[file_of(top, manifest, state)].append(state)
        classes: dict[tuple[str, str, int], list[Path]] = defaultdict(list)
        for path, states in files.items():
            if path.exists():
                size = _rows(top, workspace, states)
                kind = int(math.log(max(size, 1), MANY))
                if size < _FULL:
                    classes[states[0].source, states[0].entity, kind].append(path)
        for place in sorted(classes):
            paths = classes[place]
            if len(paths) >= MANY:
                states = [state for path in paths for state in files[path]]
                _merge(manifest, states, paths, paths[0].parent)


def _rows(top: Path, workspace: Workspace, states: list[FileState]) -> int:
    if top == workspace.raw:
        return sum(state.rows_loaded for state in states)
    return sum(state.rows_rejected for state in states)


def _members(manifest: Manifest, state: FileState, path: Path) -> tuple[Member, ...]:
    packs = manifest.packs.get((state.source, state.entity), {})
    return packs.get(path.name, ((state.file_sha256, state.mapping_version),))


def _merge(manifest: Manifest, states: list[FileState], paths: list[Path], folder: Path) -> None:
    """Replace Parquet files by one with just the rows of these files."""
    members = sorted((state.file_sha256, state.mapping_version) for state in states)
    source, entity = states[0].source, states[0].entity
    target = folder / pack_name(source, members)
    with scratch(folder) as path:
        write_pack(path, paths, {sha256 for sha256, _ in members})
        manifest.append_pack(source, entity, target.name, members)
        commit(path, target)
    for old in paths:
        if old != target:
            old.unlink(missing_ok=True)


def write_pack(path: Path, paths: list[Path], files: set[str]) -> None:
    """Write the rows of some files, by their SHA-256, from Parquet files that hold them."""
    wanted = pa.array(sorted(files))
    kinds = pq.read_schema(paths[0])
    repeated = [name for name in kinds.names if name in _REPEATED]
    schema = pa.schema(
        [(each.name, pa.dictionary(pa.int32(), pa.string()) if each.name in repeated else each.type)
         for each in kinds]
    )  # fmt: skip

    def tables() -> Iterator[pa.Table]:
        for each in paths:
            try:
                with pq.ParquetFile(each, read_dictionary=repeated) as file:
                    table = file.read().cast(schema)
            except (pa.ArrowException, OSError):
                raise UserError(damage_message(each)) from None
            yield table.filter(pc.is_in(table["_file_sha256"].cast(pa.string()), wanted))

    write_groups(path, schema, tables())
