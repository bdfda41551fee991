"""Write rejected rows as Parquet."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from orchestration.lake.manifest import FileState

REJECTED_SCHEMA = pa.schema(
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
REJECTS_AT_ONCE = 20_000


class Rejects:
    """Writes rejected rows as Parquet, a batch at a time; the file appears with the first."""

    def __init__(self, path: Path, state: FileState) -> None:
        self._path, self.state = path, state
        self._rows: list[tuple[FileState, int, str, str]] = []
        self._writer: pq.ParquetWriter | None = None
        self._error: OSError | None = None
        self.count = 0

    def __enter__(self) -> Rejects:
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer:
            self._writer.close()

    def add(self, number: int, reason: str, text: str) -> None:
        """Add one row of the file ``state``. It never raises: Arrow's parser calls it."""
        self._rows.append((self.state, number, reason, text))
        if len(self._rows) >= REJECTS_AT_ONCE:
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
        table = pa.table(columns, schema=REJECTED_SCHEMA)
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, REJECTED_SCHEMA, compression="zstd")
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
