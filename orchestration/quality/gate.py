"""The two boundaries as asset checks: what arrived, before dbt; what leaves, before publishing.

Each check of a suite is one asset check. A critical one is blocking: if it fails, nothing
downstream of its asset runs, so that nothing is published. All checks of a boundary run in one
step, because opening the database and importing Great Expectations cost more than the checks.
"""

# no `from __future__ import annotations`: Dagster looks at the annotation of `context` itself
import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
from dagster import (
    AssetCheckExecutionContext,
    AssetCheckKey,
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetKey,
    multi_asset_check,
)

from expectations import Check, CheckResult
from expectations.suites.marts import MARTS, RESTRICTED
from expectations.suites.raw import RAW
from expectations.validate import lake_views, validate
from orchestration.core.duckdb_session import spill_settings
from orchestration.core.errors import UserError
from orchestration.core.lock import hold_workspace
from orchestration.core.progress import announce, timed
from orchestration.warehouse.assets import FULL_REFRESH_TAG
from orchestration.warehouse.build_record import (
    built_from,
    mark_gated,
    state_of_build,
    unmark_gated,
)
from orchestration.warehouse.dbt import release_dbt, target_dir, touched_conditions
from orchestration.warehouse.inputs import inputs_hash
from orchestration.workspace.current import PROJECT_DIR, current_workspace
from orchestration.workspace.entities import ENTITIES
from orchestration.workspace.model import Workspace

Suites = Mapping[str, Sequence[Check]]


def check_specs(schema: str, suites: Suites) -> list[AssetCheckSpec]:
    """The asset checks of one schema's suites; the tables are the assets ``[schema, table]``."""
    return [
        AssetCheckSpec(
            name=check.name,
            asset=AssetKey([schema, table]),
            description=check.why,
            blocking=check.severity == "critical",
        )
        for table, checks in suites.items()
        for check in checks
    ]


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
        files: the SHA-256 of the files whose rows are looked at, one by one; None: of all. What
            is told of a delivery as a whole is always told of all of it.
    """
    touched = None
    if files is not None:
        quoted = ", ".join("'" + sha.replace("'", "''") + "'" for sha in sorted(files))
        condition = f"_file_sha256 in ({quoted})" if quoted else "false"
        touched = {table: condition for table in suites if table in ENTITIES}
    return validate(
        None,
        suites,
        "raw",
        setup=_memory(workspace) + lake_views(workspace.lake),
        touched=touched,
        results=results,
    )


def check_warehouse(
    workspace: Workspace,
    schema: str,
    suites: Suites,
    results: Path | None = None,
    touched: Mapping[str, str] | None = None,
) -> list[CheckResult]:
    """Evaluate suites on a schema of the build database, which dbt must have finished.

    Args:
        workspace: the workspace whose build database is read.
        schema: ``marts`` or ``restricted``.
        suites: the checks of each table of the schema.
        results: a JSON file for the results, or None.
        touched: of tables that the build made anew only in part the condition of those rows, which
            alone checks of single rows then look at; None: everything is new.

    Raises:
        UserError: the build database is not there, or another program holds it.
    """
    import duckdb

    release_dbt()
    try:
        return validate(
            workspace.warehouse_file,
            suites,
            schema,
            setup=_memory(workspace),
            touched=touched,
            results=results,
        )
    except FileNotFoundError:
        raise UserError("warehouse/nps.duckdb: not there; refresh the workspace first") from None
    except (duckdb.IOException, duckdb.ConnectionException):
        raise UserError(
            "warehouse/nps.duckdb: cannot be opened; close the program that has it open (the "
            "tables to read lie in published/) and run again"
        ) from None


def _memory(workspace: Workspace) -> list[str]:
    """The settings that keep checks within the workspace's memory."""
    return spill_settings(workspace.spill, workspace.memory_limit)


def as_asset_check_result(schema: str, result: CheckResult) -> AssetCheckResult:
    """What Dagster is told of a check: counts and reasons, no cell's value."""
    metadata: dict[str, Any] = {"why": result.check.why, "seconds": result.seconds}
    metadata |= dict(result.observed)
    if result.error:
        metadata["error"] = result.error
    return AssetCheckResult(
        asset_key=AssetKey([schema, result.table]),
        check_name=result.name,
        passed=result.success,
        severity=(
            AssetCheckSeverity.ERROR if result.severity == "critical" else AssetCheckSeverity.WARN
        ),
        metadata=metadata,
    )


def _selected(schema: str, suites: Suites, keys: set[AssetCheckKey]) -> dict[str, list[Check]]:
    """The part of a schema's suites that a run asks for."""
    chosen = {
        table: [
            check
            for check in checks
            if AssetCheckKey(AssetKey([schema, table]), check.name) in keys
        ]
        for table, checks in suites.items()
    }
    return {table: checks for table, checks in chosen.items() if checks}


def _judge(
    workspace: Workspace,
    schema: str,
    suites: Suites,
    state: str,
    evaluate: Callable[[Suites, Mapping[str, Any] | None], list[CheckResult]],
    *,
    is_full: bool = False,
    notes: Mapping[str, Any] | None = None,
) -> list[CheckResult]:
    """Evaluate a schema's checks, or tell again what they found of the same state.

    A check is a function of what it reads: of the same lake, or the same build, it finds the
    same. Only what let everything pass is believed again: as a whole, or of the rows that are as
    they were then.

    Args:
        workspace: its warehouse's folder keeps the last results.
        schema: the schema of the tables.
        suites: the checks asked for.
        state: what the checks read, as a hash.
        evaluate: evaluates suites. Of the last evaluation, if all that it looked at passed by these
            very checks, it gets the notes, to look at nothing but what is new since; else None.
        is_full: whether nothing is believed again.
        notes: what is to be known of this evaluation by the next one.
    """
    asked = hashlib.sha256(
        repr([(table, check) for table, checks in suites.items() for check in checks]).encode()
    )
    asked.update(f"{_code_of_checks()} {workspace.max_quarantine_rate}".encode())
    path = workspace.warehouse_dir / f"checked-{schema}.json"
    known = {} if is_full else _known(path, asked.hexdigest())
    if known and known["state"] == state:
        announce("checks", f"{schema}: nothing changed since the last checks: they stand")
        found = iter(known["results"])
        return [
            CheckResult(table, check, **next(found))
            for table, checks in suites.items()
            for check in checks
        ]
    path.unlink(missing_ok=True)
    if known:
        results = evaluate(_wholly(suites, known["results"]), known["notes"])
    else:
        results = evaluate(suites, None)
    if not any(result.blocks or result.error for result in results):
        kept = [
            {"success": r.success, "observed": dict(r.observed), "seconds": r.seconds}
            for r in results
        ]
        document = {"state": state, "asked": asked.hexdigest(), "results": kept}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({**document, "notes": dict(notes or {})}), encoding="utf-8")
    return results


def _known(path: Path, asked: str) -> dict[str, Any]:
    """What was found when these very checks let everything pass; empty where nothing is known."""
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        return known if known["asked"] == asked and known.keys() >= _KEPT else {}
    except (OSError, ValueError, TypeError, KeyError):
        return {}


_KEPT = {"state", "asked", "results", "notes"}


def _wholly(suites: Suites, found: Sequence[Mapping[str, Any]]) -> dict[str, list[Check]]:
    """The suites, with what did not hold of all rows to be looked at in all of them again.

    A warning passes the gate. Of few new rows alone it would seem to be over.

    Args:
        suites: the checks.
        found: the last result of each, in their order.
    """
    last = iter(found)
    return {
        table: [check if next(last)["success"] else replace(check, scope="table") for check in each]
        for table, each in suites.items()
    }


def _code_of_checks() -> str:
    """The code that evaluates checks, as a hash: changed, it may find otherwise."""
    digest = hashlib.sha256()
    for path in sorted((PROJECT_DIR / "expectations").rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _state_of_lake(workspace: Workspace) -> str:
    """What the checks read of the lake, and the code that reads it.

    Of the raw Parquet names, sizes and times; of what is written anew each run the content.
    """
    digest = hashlib.sha256(f"{inputs_hash(workspace)} {_code_of_checks()}".encode())
    files = workspace.manifest_dir / "files.parquet"
    if files.exists():
        digest.update(files.read_bytes())
    if workspace.published_figures.exists():
        # what a build told first is in the ledger once it is published, and tells the build no more
        figures = pq.read_table(workspace.published_figures).to_pylist()
        earlier = [figure for figure in figures if figure["as_of_on"] < workspace.as_of_on]
        digest.update(repr(earlier).encode())
    for path in sorted(workspace.raw.rglob("*.parquet")):
        status = path.stat()
        digest.update(f"{path.name} {status.st_size} {status.st_mtime_ns}".encode())
    return digest.hexdigest()


def _manifest_lines(workspace: Workspace) -> dict[str, str]:
    """The manifest's loaded files: by what tells each one as it lies in the lake, its SHA-256.

    A file that was read anew, after its mapping changed, is another one.
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


def _touched(workspace: Workspace, schema: str) -> dict[str, str] | None:
    """Which rows of a schema's tables the build made anew, by table; None: it made all."""
    if built_from(workspace) is None:
        return None
    return touched_conditions(target_dir(workspace) / "manifest.json", schema)


def _is_full(context: AssetCheckExecutionContext) -> bool:
    """Whether the run looks at everything anew."""
    return context.run.tags.get(FULL_REFRESH_TAG) == "true"


def _results_file(workspace: Workspace, run_id: str, schema: str) -> Path:
    return workspace.runs / "gx" / f"{run_id}-{schema}.json"


def _tell_why(workspace: Workspace, outcomes: Sequence[tuple[str, CheckResult]]) -> None:
    """A line for each check that blocks, and what is quarantined where that is the reason."""
    for _, result in outcomes:
        if result.blocks:
            observed = ", ".join(f"{name} {value}" for name, value in result.observed.items())
            announce("blocked", f"{result.table}.{result.name} ({observed}): {result.check.why}")
    if any(result.blocks and result.name == "quarantine_rate" for _, result in outcomes):
        with duckdb.connect(str(workspace.warehouse_file), read_only=True) as connection:
            rows = connection.execute(
                "select source, entity, reason, count(*) as n from restricted.quarantined_rows "
                "group by all order by n desc, all limit 10"
            ).fetchall()
        for source, entity, reason, count in rows:
            announce("blocked", f"{source}/{entity}: {reason}: {count:,} rows")


def _size(suites: Suites) -> int:
    return sum(len(checks) for checks in suites.values())


def _told(what: str, results: Sequence[CheckResult]) -> str:
    """One line on a boundary for whoever watches the run."""
    failed = [f"{result.table}.{result.name}" for result in results if not result.success]
    ending = f"; not so: {', '.join(failed)}" if failed else ""
    return f"{what}: {len(results) - len(failed)} of {len(results)} checks hold{ending}"


@multi_asset_check(
    specs=check_specs("raw", RAW),
    can_subset=True,
    description="What arrived: every row traceable, few of them unreadable.",
)
def raw_checks(context: AssetCheckExecutionContext) -> Iterator[AssetCheckResult]:
    """The checks of the raw boundary that the run selects."""
    workspace = current_workspace()
    suites = _selected("raw", RAW, set(context.selected_asset_check_keys))
    results = _results_file(workspace, context.run.run_id, "raw")
    hold_workspace(workspace.runs)
    with timed("checks"):
        lines = _manifest_lines(workspace)

        def evaluate(asked: Suites, notes: Mapping[str, Any] | None) -> list[CheckResult]:
            seen = None if notes is None else set(notes["files"])
            files = (
                None if seen is None else {sha for line, sha in lines.items() if line not in seen}
            )
            return check_raw(workspace, asked, results, files)

        found = _judge(
            workspace,
            "raw",
            suites,
            _state_of_lake(workspace),
            evaluate,
            is_full=_is_full(context),
            notes={"files": sorted(lines)},
        )
    announce("checks", _told("what arrived", found))
    for result in found:
        yield as_asset_check_result("raw", result)


@multi_asset_check(
    specs=check_specs("marts", MARTS) + check_specs("restricted", RESTRICTED),
    can_subset=True,
    description="What leaves: keys, sums, scores and dates as a reader of the tables sees them.",
)
def mart_checks(context: AssetCheckExecutionContext) -> Iterator[AssetCheckResult]:
    """The checks of the marts boundary that the run selects."""
    workspace = current_workspace()
    keys = set(context.selected_asset_check_keys)
    hold_workspace(workspace.runs)
    outcomes: list[tuple[str, CheckResult]] = []
    for schema, suites in (("marts", MARTS), ("restricted", RESTRICTED)):
        chosen = _selected(schema, suites, keys)
        if chosen:
            results = _results_file(workspace, context.run.run_id, schema)
            touched = _touched(workspace, schema)

            def evaluate(
                asked: Suites,
                notes: Mapping[str, Any] | None,
                schema: str = schema,
                results: Path = results,
                touched: Mapping[str, str] | None = touched,
            ) -> list[CheckResult]:
                part = None if notes is None else touched
                return check_warehouse(workspace, schema, asked, results, part)

            with timed("checks"):
                # some checks compare the build with what the lake says
                lake, build = _state_of_lake(workspace), state_of_build(workspace)
                found = _judge(
                    workspace,
                    schema,
                    chosen,
                    f"{lake} {build}",
                    evaluate,
                    is_full=_is_full(context),
                )
            announce("checks", _told(schema, found))
            outcomes += [(schema, result) for result in found]
    if len(outcomes) == _size(MARTS) + _size(RESTRICTED):
        if any(result.blocks for _, result in outcomes):
            unmark_gated(workspace)
            _tell_why(workspace, outcomes)
        else:
            mark_gated(workspace)
    for schema, result in outcomes:
        yield as_asset_check_result(schema, result)
