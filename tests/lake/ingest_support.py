"""A workspace in a temporary folder, and what the lake holds of it."""

from __future__ import annotations

import copy
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml

from orchestration.lake import IngestResult, ingest_source, prepare_lake, write_files_table
from orchestration.workspace.load import load_workspace
from orchestration.workspace.model import Source, Workspace

RESPONSES = {
    "name": "telco",
    "entity": "survey_responses",
    "files": "*",
    "columns": {"response_id": "id", "score": "nps", "submitted_at": "date", "comment": "text"},
    "constants": {"metric": "nps", "survey_type": "relational", "scale": "0-10"},
    "timezone": "UTC",
}
HEADER = b"id,nps,date,text\n"
MODIFIED = datetime(2025, 6, 1, 12, 30, tzinfo=UTC)


@dataclass
class Lake:
    """A workspace with one source by default; ``deliver`` and ``ingest`` drive it."""

    root: Path
    content: dict[str, Any] = field(
        default_factory=lambda: {"version": 1, "as_of": "2025-12-31", "sources": [RESPONSES]}
    )

    def declare(self, **changes: Any) -> Lake:
        """Change keys of the first source; ``columns`` and the like are replaced as a whole."""
        source = {**copy.deepcopy(self.content["sources"][0]), **changes}
        self.content = {**self.content, "sources": [source, *self.content["sources"][1:]]}
        return self

    @property
    def workspace(self) -> Workspace:
        text = yaml.safe_dump(self.content, allow_unicode=True)
        (self.root / "workspace.yml").write_text(text, encoding="utf-8")
        return load_workspace(self.root)

    @property
    def source(self) -> Source:
        return self.workspace.sources[0]

    @property
    def landing(self) -> Path:
        folder = self.root / "landing" / self.content["sources"][0]["name"]
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def deliver(self, content: bytes | str, name: str = "a.csv") -> Path:
        path = self.landing / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        os.utime(path, ns=(int(MODIFIED.timestamp() * 1e9),) * 2)
        return path

    def ingest(self, progress: Callable[[str], None] | None = None) -> IngestResult:
        workspace = self.workspace
        prepare_lake(workspace)
        results = [ingest_source(workspace, source, progress) for source in workspace.sources]
        write_files_table(workspace)
        return results[0]

    def raw(self, entity: str = "survey_responses") -> list[dict[str, Any]]:
        return self._rows(sorted((self.root / "lake/raw" / entity).glob("*.parquet")))

    def rejected(self) -> list[dict[str, Any]]:
        return self._rows(sorted((self.root / "lake/rejected").glob("**/*.parquet")))

    def files(self) -> list[dict[str, Any]]:
        return self._rows([self.root / "lake/manifest/files.parquet"])

    def events(self) -> list[dict[str, Any]]:
        lines = (self.root / "lake/manifest/manifest.jsonl").read_bytes().splitlines()
        return [json.loads(line) for line in lines if line.endswith(b"}")]

    def archived(self, content: bytes) -> bool:
        name = hashlib.sha256(content).hexdigest()
        path = self.root / "lake/archive" / name[:2] / name
        return path.exists() and path.read_bytes() == content

    def everything(self) -> dict[str, tuple[int, bytes]]:
        """Every file of the lake, with its time and its bytes."""
        return {
            str(path.relative_to(self.root)): (path.stat().st_mtime_ns, path.read_bytes())
            for path in sorted((self.root / "lake").rglob("*"))
            if path.is_file()
        }

    @staticmethod
    def _rows(paths: list[Path]) -> list[dict[str, Any]]:
        """All rows; those of one file by their number, as the lake keeps no order."""
        tables = [pq.read_table(path).to_pylist() for path in paths]
        return [
            row for rows in tables for row in sorted(rows, key=lambda r: r.get("_row_number", 0))
        ]
