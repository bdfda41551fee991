"""The lake's tables that come from the last build and from the ledger, not from deliveries."""

from __future__ import annotations

from orchestration.publish.ledger import write_published_figures
from orchestration.publish.publish import reconcile_ledger
from orchestration.warehouse import batches
from orchestration.workspace.model import Workspace


def write_lake_tables(workspace: Workspace) -> None:
    """Write `built_files`, `last_build` and `published_figures`, which dbt reads as sources.

    A publication that was killed may lack its ledger line: it is added first, because
    `published_figures` is made from the ledger.
    """
    batches.ensure(workspace)
    reconcile_ledger(workspace)
    write_published_figures(workspace)
