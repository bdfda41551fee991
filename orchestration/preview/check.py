"""`nps check`: read what lies in landing as a run would, and publish nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from orchestration.core.errors import UserError
from orchestration.core.progress import announce
from orchestration.core.sql import literal
from orchestration.lake import ingest_source, prepare_lake, write_files_table
from orchestration.preview.excerpt import TOTAL, scratch_workspace, take_excerpt
from orchestration.preview.findings import Findings, gather
from orchestration.publish.ledger import write_lake_tables
from orchestration.warehouse.database import connect
from orchestration.warehouse.dbt import invoke_dbt, release_dbt
from orchestration.workspace.model import Source, Workspace
from orchestration.workspace.rules import did_you_mean


def check(workspace: Workspace, wanted: str | None = None) -> list[Findings]:
    """Read the beginnings of the delivered files, and judge their rows as a run would.

    Ingest and the first models run in a workspace of their own below ``runs/``: whatever a run
    would say of a row, this says. Nothing else of the workspace is written.

    Args:
        workspace: the workspace; its lake and what it published are not opened.
        wanted: a source's name, or ``name/entity``; None: all of them.

    Raises:
        UserError: there is no such source, or the files cannot be read.
    """
    chosen = _chosen(workspace, wanted)
    needed = _with_others(workspace, chosen)
    with scratch_workspace(workspace, needed) as scratch, _environment():
        budget = TOTAL // len(needed)
        excerpts = {s.label: take_excerpt(workspace, scratch, s, budget) for s in needed}
        prepare_lake(scratch, compact=False)
        results = {source.label: ingest_source(scratch, source) for source in needed}
        write_files_table(scratch)
        write_lake_tables(scratch)
        _judge(scratch, {source.entity for source in needed})
        with connect(scratch) as connection:
            # of the build's three files only the private one: no published table is built
            connection.execute(f"attach {literal(scratch.warehouse_file)} as nps (read_only)")
            connection.execute("use nps")
            return [
                gather(connection, scratch, s, excerpts[s.label], results[s.label]) for s in chosen
            ]


def _chosen(workspace: Workspace, wanted: str | None) -> list[Source]:
    if wanted is None:
        return list(workspace.sources)
    found = [each for each in workspace.sources if wanted in (each.name, each.label)]
    if not found:
        names = [name for each in workspace.sources for name in (each.name, each.label)]
        hint = did_you_mean(wanted, names) or f"; there are: {', '.join(dict.fromkeys(names))}"
        raise UserError(f"no source is called '{wanted}'{hint}")
    return found


def _with_others(workspace: Workspace, chosen: Sequence[Source]) -> list[Source]:
    """The chosen sources, and those that know their customers, surveys, invitations and rates."""
    names = {each.name for each in chosen}
    owners = {each.customers_of for each in chosen}
    return [
        each
        for each in workspace.sources
        if each in chosen
        or (each.entity == "customers" and each.customers_of in owners)
        or (each.entity in ("surveys", "survey_invitations") and each.name in names)
        or each.entity == "exchange_rates"
    ]


def _judge(scratch: Workspace, entities: set[str]) -> None:
    """Build the models that judge the entities' rows.

    Raises:
        UserError: a model fails, which is a mistake of the project.
    """
    failures: list[str] = []
    announce("check", "reading the rows as a run would")
    release_dbt()
    invoke_dbt(
        scratch,
        *("build", "--full-refresh", "--no-write-json"),
        *("--exclude-resource-type", "unit_test", "--exclude-resource-type", "test"),
        *("--select", *(f"+int_{entity}_versioned" for entity in sorted(entities))),
        on_failure=lambda name, reason: failures.append(f"{name}: {reason}"),
    )
    release_dbt()
    if failures:
        raise UserError("\n".join(failures))


@contextmanager
def _environment() -> Iterator[None]:
    """Give the process its environment back: dbt is called by it."""
    before = dict(os.environ)
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            with suppress(KeyError):
                del os.environ[name]
        os.environ.update(before)
