"""What a build is a function of, as one hash: the same inputs need no second build."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from orchestration.core.sql import literal
from orchestration.workspace.current import PROJECT_DIR
from orchestration.workspace.model import Workspace

SOURCES_OF_DBT = ("dbt_project.yml", "profiles.yml", "models", "macros", "seeds", "tests/dbt")
# What dbt's Python models call.
STATISTICS = "orchestration/statistics"
VERSIONS_OF = ("dbt-core", "dbt-duckdb", "duckdb", "dagster", "great-expectations")


def project_files() -> Iterator[Path]:
    """The files that dbt's project is made of, folders before their contents, sorted."""
    for name in SOURCES_OF_DBT:
        yield PROJECT_DIR / name
        yield from sorted((PROJECT_DIR / name).rglob("*"))


def inputs_hash(workspace: Workspace) -> str:
    """SHA-256 over the lake's files, the settings, the models and the versions that build them.

    Args:
        workspace: whose lake was prepared and whose `files.parquet` is written.
    """
    import duckdb

    digest = hashlib.sha256()
    files = duckdb.sql(
        "select source, entity, file_sha256, mapping_version, status, reason, rows_delivered, "
        f"rows_rejected from {literal(workspace.manifest_dir / 'files.parquet')} order by all"
    ).fetchall()
    digest.update(repr(files).encode())
    for path in sorted(workspace.settings_dir.glob("*.parquet")):
        digest.update(path.name.encode() + path.read_bytes())
    digest.update(code_hash().encode())
    return digest.hexdigest()


def code_hash() -> str:
    """SHA-256 over the models, what they call, and the versions of what builds them."""
    digest = hashlib.sha256()
    for path in (*project_files(), *sorted((PROJECT_DIR / STATISTICS).glob("*.py"))):
        if path.is_file():
            digest.update(str(path.relative_to(PROJECT_DIR)).encode() + path.read_bytes())
    digest.update(repr([(name, version(name)) for name in VERSIONS_OF]).encode())
    return digest.hexdigest()
