"""Ingest: from delivered files to the lake: bytes archived, rows as Parquet, events as lines."""

from orchestration.lake.ingest import (
    FileProblem,
    IngestResult,
    ingest_source,
    prepare_lake,
    unclaimed_files,
    write_files_table,
    write_settings,
)

__all__ = [
    "FileProblem",
    "IngestResult",
    "ingest_source",
    "prepare_lake",
    "unclaimed_files",
    "write_files_table",
    "write_settings",
]
