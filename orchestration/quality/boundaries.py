"""The boundaries that the gate guards: the suites of each schema, and the lake as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from expectations import Check
from expectations.suites.marts import MARTS, RESTRICTED
from expectations.suites.raw import raw_suites
from orchestration.core.sql import literal
from orchestration.workspace.entities import ENTITIES, SETTINGS_TABLES

__all__ = ["MARTS", "RAW", "RESTRICTED", "Suites", "lake_views"]

Suites = Mapping[str, Sequence[Check]]

RAW: Suites = raw_suites(ENTITIES)


def lake_views(lake: Path) -> list[str]:
    """The statements that create schema ``raw`` as views over a lake, as the warehouse has them.

    Args:
        lake: the workspace's folder ``lake``.

    Returns:
        DDL for ``expectations.validate.validate(None, …, setup=…)``.
    """
    globs = {name: f"raw/{name}/*.parquet" for name in ENTITIES}
    globs |= {"files": "manifest/files.parquet", "rejected_rows": "rejected/**/*.parquet"}
    globs |= {"published_figures": "ledger/published_figures.parquet"}
    globs |= {name: f"settings/{name}.parquet" for name in SETTINGS_TABLES}
    return ["create schema raw"] + [
        f"create view raw.{name} as select * from read_parquet({literal(lake / glob)})"
        for name, glob in globs.items()
    ]
