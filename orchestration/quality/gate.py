"""The gate: evaluates the checks of a boundary, or reuses the results of an unchanged state.

A check is a function of what it reads: the same lake, or the same build, gives the same result.
Only results that let everything pass are reused: as a whole, or of the rows that did not change.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq

from expectations import Check, CheckResult
from expectations.validate import validate
from orchestration.core.duckdb_session import known_cause, spill_settings
from orchestration.core.errors import UserError
from orchestration.core.files import hash_of_files
from orchestration.core.progress import announce
from orchestration.core.sql import literal
from orchestration.quality.boundaries import RAW, Suites, lake_views
from orchestration.warehouse.database import SEARCH_PATH, attach_build
from orchestration.warehouse.dbt import release_dbt
from orchestration.warehouse.inputs import inputs_hash
from orchestration.workspace.current import PROJECT_DIR
from orchestration.workspace.entities import ENTITIES
from orchestration.workspace.model import Workspace


def check_raw(
    workspace: Workspace,
    suites: Suites = RAW,
    results: Path | None = None,
    files: Collection[str] | None = None,
) -> list[CheckResult]:
    """Evaluate the raw boundary on the lake's Parquet files.

    Args:
        workspace: the workspace whose lake is read.
        suites: the checks of each table of schema ``raw``.
        results: a JSON file for the results, or None.
        files: the SHA-256 of the files whose rows checks of single rows look at; None: all files.
    """
    changed = None
    if files is not None:
        quoted = ", ".join(literal(sha) for sha in sorted(files))
        condition = f"_file_sha256 in ({quoted})" if quoted else "false"
        changed = {table: condition for table in suites if table in ENTITIES}
    return validate(
        None,
        suites,
        "raw",
        setup=_memory(workspace) + lake_views(workspace.lake),
        changed=changed,
        results=results,
    )


def check_warehouse(
    workspace: Workspace,
    schema: str,
    suites: Suites,
    results: Path | None = None,
    changed: Mapping[str, str] | None = None,
) -> list[CheckResult]:
    """Evaluate suites on a schema of the build database, which dbt must have finished.

    Args:
        workspace: the workspace whose build database is read.
        schema: ``marts`` or ``restricted``.
        suites: the checks of each table of the schema.
        results: a JSON file for the results, or None.
        changed: of tables that a batch changed in part the condition of the changed rows; checks of
            single rows look at no others. None: every row is new.

    Raises:
        UserError: the build database is not there, or another program holds it.
    """
    release_dbt()
    try:
        return validate(
            None,
            suites,
            schema,
            setup=[*_memory(workspace), *attach_build(workspace), SEARCH_PATH],
            changed=changed,
            results=results,
        )
    except FileNotFoundError:
        raise UserError("warehouse/nps.duckdb: does not exist; run the workspace first") from None
    except (duckdb.IOException, duckdb.ConnectionException) as error:
        raise UserError(
            known_cause(str(error))
            or "warehouse/nps.duckdb cannot be opened; close the program that has it open (the "
            "tables to read are in published/) and run again"
        ) from None


def _memory(workspace: Workspace) -> list[str]:
    """The settings that keep checks within the workspace's memory limit."""
    return spill_settings(workspace.spill, workspace.memory_limit)


def evaluate_or_reuse(
    workspace: Workspace,
    schema: str,
    suites: Suites,
    state: str,
    evaluate: Callable[[Suites, Mapping[str, Any] | None], list[CheckResult]],
    *,
    is_full: bool = False,
    notes: Mapping[str, Any] | None = None,
) -> list[CheckResult]:
    """Evaluate a schema's checks, or return the last results of the same state.

    Args:
        workspace: its warehouse's folder keeps the last results.
        schema: the schema of the tables.
        suites: the checks asked for.
        state: what the checks read, as a hash.
        evaluate: evaluates suites. It gets the notes of the last evaluation, and need only look at
            what changed since, if the same checks let everything pass then; else None.
        is_full: whether no earlier result is reused.
        notes: what the next evaluation needs to know of this one.
    """
    listed = [(table, check) for table, checks in suites.items() for check in checks]
    asked = hashlib.sha256(repr(listed).encode())
    rates = [each.max_quarantine_rate for each in (workspace, *workspace.sources)]
    asked.update(f"{code_of_checks()} {rates}".encode())
    path = workspace.warehouse_dir / f"checked-{schema}.json"
    known = {} if is_full else _known(path, asked.hexdigest())
    if known and known["state"] == state:
        announce("checks", f"{schema}: nothing changed since these checks last passed")
        return [
            CheckResult(table, check, **{**last, "where": tuple(last["where"])})
            for (table, check), last in zip(listed, known["results"], strict=True)
        ]
    path.unlink(missing_ok=True)
    if known:
        results = evaluate(_with_failed_on_all_rows(suites, known["results"]), known["notes"])
    else:
        results = evaluate(suites, None)
    if not any(result.blocks or result.error for result in results):
        kept = [
            {
                "success": r.success,
                "observed": dict(r.observed),
                "seconds": r.seconds,
                "where": r.where,
            }
            for r in results
        ]
        document = {"state": state, "asked": asked.hexdigest(), "results": kept}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({**document, "notes": dict(notes or {})}), encoding="utf-8")
    return results


def _known(path: Path, asked: str) -> dict[str, Any]:
    """The results kept when the same checks let everything pass; empty without any."""
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        return known if known["asked"] == asked and known.keys() >= _KEPT else {}
    except (OSError, ValueError, TypeError, KeyError):
        return {}


_KEPT = {"state", "asked", "results", "notes"}


def _with_failed_on_all_rows(
    suites: Suites, found: Sequence[Mapping[str, Any]]
) -> dict[str, list[Check]]:
    """The suites, with checks that failed set to look at the whole table again.

    A warning passes the gate; a look at the new rows alone would hide it.

    Args:
        suites: the checks.
        found: the last result of each, in their order.
    """
    last = iter(found)
    return {
        table: [check if next(last)["success"] else replace(check, scope="table") for check in each]
        for table, each in suites.items()
    }


def code_of_checks() -> str:
    """SHA-256 of the code that evaluates checks."""
    return hash_of_files([PROJECT_DIR / "expectations"])


def state_of_lake(workspace: Workspace) -> str:
    """A hash of what the checks read of the lake, and of the code that reads it.

    Of the raw Parquet files names, sizes and times; of files that each run writes their content.
    """
    digest = hashlib.sha256(f"{inputs_hash(workspace)} {code_of_checks()}".encode())
    files = workspace.manifest_dir / "files.parquet"
    if files.exists():
        digest.update(files.read_bytes())
    if workspace.published_figures.exists():
        # figures of as_of itself are in the ledger only once published, and the build ignores them
        figures = pq.read_table(workspace.published_figures).to_pylist()
        earlier = [figure for figure in figures if figure["as_of_on"] < workspace.as_of_on]
        digest.update(repr(earlier).encode())
    for path in sorted(workspace.raw.rglob("*.parquet")):
        status = path.stat()
        digest.update(f"{path.name} {status.st_size} {status.st_mtime_ns}".encode())
    return digest.hexdigest()


def manifest_lines(workspace: Workspace) -> dict[str, str]:
    """The SHA-256 of each loaded file, by a hash of its line in the manifest.

    A file that was read again, after its mapping changed, has another line.
    """
    path = workspace.manifest_dir / "files.parquet"
    if not path.exists():
        return {}
    with duckdb.connect() as connection:
        return dict(
            connection.execute(
                "select md5(concat_ws('|', source, entity, file_sha256, mapping_version, "
                "ingested_at)), file_sha256 from read_parquet(?) where status = 'loaded'",
                [str(path)],
            ).fetchall()
        )
