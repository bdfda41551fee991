"""The manifest: an append-only record of what happened to every delivered file.

Each line is one event; folded in order, they give the state of each file. A line that was torn by a
crash is ignored, and its event happens again. A line ``packed`` lists the files whose rows share
one Parquet file (see ``packs``).
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from orchestration.core.files import read_json_lines, sync

Event = Literal["loaded", "quarantined", "seen_again", "retired", "withdrawn", "restored"]
Member = tuple[str, str]
"""Of a packed file: its SHA-256 and its mapping version."""
_FILES = pa.schema(
    [
        ("source", pa.string()),
        ("entity", pa.string()),
        ("file_sha256", pa.string()),
        ("file_name", pa.string()),
        ("mapping_version", pa.string()),
        ("status", pa.string()),
        ("reason", pa.string()),
        ("message", pa.string()),
        ("rows_delivered", pa.int64()),
        ("rows_loaded", pa.int64()),
        ("rows_rejected", pa.int64()),
        ("rows_blank", pa.int64()),
        ("file_modified_at", pa.timestamp("us")),
        ("ingested_at", pa.timestamp("us")),
        ("warnings", pa.string()),
        ("columns", pa.string()),
        ("assumed_timezone", pa.string()),
    ]
)
Key = tuple[str, str, str]
"""Source, entity, and the file's SHA-256 (or the key of a file that was never read)."""


@dataclass(frozen=True)
class Stat:
    """What identifies an unchanged file without reading it: size and two times in nanoseconds."""

    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, stat: os.stat_result) -> Stat:
        """The part of a file's status that matters here."""
        return cls(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


@dataclass(frozen=True)
class FileState:
    """The state of one delivered file in the lake.

    ``file_name``, ``file_modified_at`` and ``ingested_at`` are those of the first delivery of the
    bytes, so that reading them again gives the same rows. Times are naive and in UTC. ``columns``
    are the names in the header, empty where there is none; ``assumed_timezone`` is the zone in
    which times without one were read, where the source declares none.
    """

    source: str
    entity: str
    file_sha256: str
    file_name: str
    mapping_version: str
    status: Literal["loaded", "quarantined", "retired", "withdrawn"]
    reason: str | None
    message: str | None
    rows_delivered: int
    rows_loaded: int
    rows_rejected: int
    rows_blank: int
    file_modified_at: datetime
    ingested_at: datetime
    warnings: tuple[str, ...]
    columns: tuple[str, ...] = ()
    assumed_timezone: str | None = None

    @property
    def key(self) -> Key:
        """What identifies the state."""
        return self.source, self.entity, self.file_sha256


@dataclass
class Manifest:
    """The folded manifest of one workspace.

    Attributes:
        path: of the file of lines.
        states: by key, in the order of first delivery.
        seen: by source, entity and file name: the file's status when it was last read, and the
            key's third part.
        packs: by source and entity: each pack's name and its members, oldest first.
    """

    path: Path
    states: dict[Key, FileState] = field(default_factory=dict)
    seen: dict[tuple[str, str, str], tuple[Stat, str]] = field(default_factory=dict)
    packs: dict[tuple[str, str], dict[str, tuple[Member, ...]]] = field(default_factory=dict)
    _packs_of: dict[tuple[str, str, Member], list[str]] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> Manifest:
        """Read and fold the lines; none if there is no file."""
        manifest = cls(path)
        for line in read_json_lines(path):
            with suppress(ValueError, KeyError, TypeError):
                manifest._fold(line)
        return manifest

    def of(self, source: str, entity: str) -> list[FileState]:
        """The states of one source's entity, retired ones included."""
        return [s for s in self.states.values() if (s.source, s.entity) == (source, entity)]

    def packs_of(self, state: FileState) -> list[str]:
        """The packs that were ever made with a file's rows, newest first."""
        member = (state.file_sha256, state.mapping_version)
        return self._packs_of.get((state.source, state.entity, member), [])[::-1]

    def append(self, state: FileState, event: Event, stat: Stat | None = None) -> None:
        """Write one event durably, and fold it.

        Args:
            state: the file's state.
            event: what happened.
            stat: the file's status if it was read just now.
        """
        self.append_all([self.record(state, event, stat)])

    def append_pack(self, source: str, entity: str, name: str, members: list[Member]) -> None:
        """Write durably that a Parquet file holds the rows of these files, and fold it."""
        self.append_all([self.pack_record(source, entity, name, members)])

    def record(self, state: FileState, event: Event, stat: Stat | None = None) -> dict[str, Any]:
        """The line of an event, for ``append_all``; arguments as of ``append``."""
        record = {
            "event": event,
            "source": state.source,
            "entity": state.entity,
            "file_sha256": state.file_sha256,
            "file_name": state.file_name,
            "mapping_version": state.mapping_version,
            "rows_delivered": state.rows_delivered,
            "rows_loaded": state.rows_loaded,
            "rows_rejected": state.rows_rejected,
            "rows_blank": state.rows_blank,
            "reason": state.reason,
            "message": state.message,
            "file_modified_at": _text(state.file_modified_at),
            "at": _text(now() if state.key in self.states else state.ingested_at),
            "warnings": list(state.warnings),
            "columns": list(state.columns),
            "assumed_timezone": state.assumed_timezone,
        }
        if stat is not None:
            record["stat"] = vars(stat)
        return record

    def pack_record(
        self, source: str, entity: str, name: str, members: list[Member]
    ) -> dict[str, Any]:
        """The line of a pack, for ``append_all``; arguments as of ``append_pack``."""
        return {
            "event": "packed",
            "source": source,
            "entity": entity,
            "pack": name,
            "members": [list(member) for member in members],
            "at": _text(now()),
        }

    def append_all(self, records: list[dict[str, Any]]) -> None:
        """Write some events durably, in their order, and fold them."""
        lines = b"".join(
            json.dumps(record, ensure_ascii=True).encode() + b"\n" for record in records
        )
        is_new = not self.path.exists()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab+") as file:
            if file.tell() and not _ends_line(file.fileno(), file.tell()):
                file.write(b"\n")
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())
        if is_new:
            sync(self.path.parent)
        for record in records:
            self._fold(record)

    def _fold(self, record: dict[str, Any]) -> None:
        event, of = record["event"], (record["source"], record["entity"])
        if event == "packed":
            members = tuple((sha256, version) for sha256, version in record["members"])
            self.packs.setdefault(of, {})[record["pack"]] = members
            for member in members:
                self._packs_of.setdefault((*of, member), []).append(record["pack"])
            return
        key = (*of, record["file_sha256"])
        before = self.states.get(key)
        if event in ("loaded", "quarantined"):
            # rows are of the name under which they are first read
            keeps_name = before is not None and before.status != "quarantined"
            self.states[key] = FileState(
                source=key[0],
                entity=key[1],
                file_sha256=key[2],
                file_name=before.file_name if before and keeps_name else record["file_name"],
                mapping_version=record["mapping_version"],
                status=event,
                reason=record["reason"],
                message=record["message"],
                rows_delivered=record["rows_delivered"],
                rows_loaded=record["rows_loaded"],
                rows_rejected=record["rows_rejected"],
                rows_blank=record["rows_blank"],
                file_modified_at=(
                    before.file_modified_at if before else _time(record["file_modified_at"])
                ),
                ingested_at=before.ingested_at if before else _time(record["at"]),
                warnings=tuple(record["warnings"]),
                # lines of before these were kept lack them
                columns=tuple(record.get("columns", ())),
                assumed_timezone=record.get("assumed_timezone"),
            )
        elif event == "retired" and before and before.mapping_version == record["mapping_version"]:
            self.states[key] = replace(before, status="retired")
        elif event == "withdrawn" and before:
            self.states[key] = replace(before, status="withdrawn")
        elif event == "restored" and before and before.status == "withdrawn":
            self.states[key] = replace(before, status="retired")  # the next ingest reads it again
        if event != "retired" and "stat" in record:
            stat = Stat(**record["stat"])
            self.seen[key[0], key[1], record["file_name"]] = (stat, key[2])


def now() -> datetime:
    """This instant, naive and in UTC."""
    return datetime.now(UTC).replace(tzinfo=None)


def files_table(manifest: Manifest) -> pa.Table:
    """The current state as a table: one row for each file that is loaded or quarantined."""
    states = [s for s in manifest.states.values() if s.status in ("loaded", "quarantined")]
    states.sort(key=lambda state: state.key)
    columns = {name: [getattr(state, name) for state in states] for name in _FILES.names}
    for name in ("warnings", "columns"):
        columns[name] = [json.dumps(cell, ensure_ascii=False) for cell in columns[name]]
    return pa.table(columns, schema=_FILES)


def _ends_line(descriptor: int, size: int) -> bool:
    return os.pread(descriptor, 1, size - 1) == b"\n"


def _text(instant: datetime) -> str:
    return instant.isoformat(timespec="microseconds") + "Z"


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None)
