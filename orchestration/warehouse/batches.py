"""What the previous build read, so that the next one need only read what came since: a batch.

Models read it from `lake/built/`: `built_files.parquet` names the files that the previous build
read, `last_build.parquet` holds the number of the next build and the as_of of the previous one. A
build is a batch if only deliveries were added and as_of did not move back; otherwise it is full.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from orchestration.core.sql import identifier, literal
from orchestration.warehouse.database import open_build
from orchestration.warehouse.dbt import release_dbt
from orchestration.warehouse.inputs import code_hash
from orchestration.warehouse.unaffected import News
from orchestration.workspace.model import Workspace

_FILES = pa.schema(
    [
        ("source", pa.string()),
        ("entity", pa.string()),
        ("file_sha256", pa.string()),
        ("mapping_version", pa.string()),
        ("status", pa.string()),
        ("rows_loaded", pa.int64()),
        ("rows_rejected", pa.int64()),
    ]
)
_LAST = pa.schema(
    [("batch", pa.int32()), ("as_of_on", pa.date32()), ("as_of_at", pa.timestamp("us"))]
)
_AS_OF = ("as_of_on", "as_of_at")


def require_full_build(workspace: Workspace) -> None:
    """Record that the next build is a full one: it is the first, and reads all files."""
    _write(workspace, 1, None, None, _FILES.empty_table())


def ensure(workspace: Workspace) -> None:
    """Create both tables where they are missing: dbt reads its sources before the first build."""
    if not (_last_build(workspace).exists() and _built_files(workspace).exists()):
        require_full_build(workspace)


def note_built(workspace: Workspace) -> None:
    """Record that the next build may be a batch: the one just finished read all of the lake."""
    _write(
        workspace,
        number(workspace) + 1,
        workspace.as_of_on,
        _as_of_at(workspace),
        _delivered(workspace),
    )


def number(workspace: Workspace) -> int:
    """The number of the next build, from 1: above 1 it may be a batch."""
    return int(pq.read_table(_last_build(workspace)).column("batch")[0].as_py())


def lasting_hash(workspace: Workspace) -> str:
    """SHA-256 of what a batch cannot change: code, versions and settings, all but as_of."""
    digest = hashlib.sha256(code_hash().encode())
    for path in sorted(workspace.settings_dir.glob("*.parquet")):
        table = pq.read_table(path)
        kept = table.drop_columns([name for name in _AS_OF if name in table.column_names])
        digest.update(repr([path.name, kept.to_pylist()]).encode())
    return digest.hexdigest()


def full_build_reason(workspace: Workspace) -> str | None:
    """Why the next build must be a full one, in a few words; None: it can be a batch.

    Deliveries may only have been added, and not more than there were: a batch of most rows costs
    more than a full build.
    """
    if number(workspace) == 1:
        return "there is no previous build"
    built = pq.read_table(_built_files(workspace))
    delivered = _delivered(workspace)
    known = set(map(str, built.to_pylist()))
    if known - set(map(str, delivered.to_pylist())):
        return "a file that was built is gone or was read again"
    if any(
        file["entity"] == "exchange_rates" and str(file) not in known
        for file in delivered.to_pylist()
    ):
        return "exchange rates were delivered, which may convert older amounts"
    rows = pc.sum(built.column("rows_loaded")).as_py() or 0
    if (pc.sum(delivered.column("rows_loaded")).as_py() or 0) > 2 * rows:
        return "more was delivered than there was"
    last = pq.read_table(_last_build(workspace)).column("as_of_at")[0].as_py()
    if last is None or _as_of_at(workspace) < last:
        return "as_of moved back"
    return None


def read_news(workspace: Workspace, entities: Iterable[str]) -> News:
    """What came since the previous build, which the next one is added to.

    Args:
        workspace: whose lake is prepared and whose build no one has open.
        entities: those that the build has a table `int_<entity>_versioned` of.
    """
    built = set(map(str, pq.read_table(_built_files(workspace)).to_pylist()))
    delivered = _delivered(workspace).to_pylist()
    last = pq.read_table(_last_build(workspace)).to_pylist()[0]
    as_of_moved = (last["as_of_on"], last["as_of_at"]) != (
        workspace.as_of_on,
        _as_of_at(workspace),
    )
    return News(
        entities=frozenset(file["entity"] for file in delivered if str(file) not in built),
        as_of_moved=as_of_moved,
        waiting=_waiting(workspace, entities) if as_of_moved else frozenset(),
    )


def _waiting(workspace: Workspace, entities: Iterable[str]) -> frozenset[str]:
    """The entities of which the build holds rows that were dated after its as_of."""
    queries = [
        f"select {literal(entity)} where exists (select 1 "
        f"from intermediate.{identifier(f'int_{entity}_versioned')} where {reason} = 'future')"
        for entity in entities
        # an answer's reason may come later than staging's
        for reason in ["staged_reason" if entity == "survey_responses" else "reject_reason"]
    ]
    if not queries:
        return frozenset()
    release_dbt()
    with open_build(workspace) as connection:
        return frozenset(
            entity for (entity,) in connection.execute(" union all ".join(queries)).fetchall()
        )


def _delivered(workspace: Workspace) -> pa.Table:
    table = pq.read_table(workspace.manifest_dir / "files.parquet", columns=_FILES.names)
    return table.cast(_FILES)


def _as_of_at(workspace: Workspace) -> datetime:
    return workspace.as_of_at.replace(tzinfo=None)


def _write(
    workspace: Workspace,
    batch: int,
    as_of_on: date | None,
    as_of_at: datetime | None,
    files: pa.Table,
) -> None:
    from orchestration.core.atomic_write import parquet_bytes, write_if_changed

    row: dict[str, list[Any]] = {
        "batch": [batch],
        "as_of_on": [as_of_on],
        "as_of_at": [as_of_at],
    }
    write_if_changed(_built_files(workspace), parquet_bytes(files))
    write_if_changed(_last_build(workspace), parquet_bytes(pa.table(row, schema=_LAST)))


def _last_build(workspace: Workspace) -> Path:
    return workspace.lake / "built" / "last_build.parquet"


def _built_files(workspace: Workspace) -> Path:
    return workspace.lake / "built" / "built_files.parquet"
