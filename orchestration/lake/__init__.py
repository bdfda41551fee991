"""Ingest: from delivered files to the lake: bytes archived, rows as Parquet, events as lines."""

from orchestration.lake.ingest import ingest_source
from orchestration.lake.landing import check_anything_delivered, unclaimed_files
from orchestration.lake.prepare import prepare_lake, write_files_table
from orchestration.lake.session import FileProblem, IngestResult
from orchestration.lake.settings import write_settings
from orchestration.lake.withdraw import withdraw

__all__ = [
    "FileProblem",
    "IngestResult",
    "check_anything_delivered",
    "ingest_source",
    "prepare_lake",
    "unclaimed_files",
    "withdraw",
    "write_files_table",
    "write_settings",
]
