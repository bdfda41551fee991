"""dbt's models as Dagster assets, built by dbt inside the run's own process.

dagster-dbt's resource starts dbt as a second process, which imports dbt again: seconds for every
run. Here dbt's own runner builds in this process, and dagster-dbt translates dbt's events.
"""

# no `from __future__ import annotations`: Dagster looks at the annotation of `context` itself
import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg

from orchestration.core.duckdb_session import safe_reason, spill_settings
from orchestration.core.errors import UserError
from orchestration.core.files import remove
from orchestration.core.lock import hold_workspace
from orchestration.core.progress import announce, record, recorded, timed
from orchestration.warehouse import batches
from orchestration.warehouse.inputs import inputs_hash, project_files
from orchestration.workspace.current import PROJECT_DIR, current_workspace
from orchestration.workspace.model import Workspace

INTERRUPTS = ("KeyboardInterrupt", "DagsterExecutionInterruptedError")
FAILED = ("error", "fail", "runtime error")
FULL_REFRESH_TAG = "nps/full_refresh"


def target_dir(workspace: Workspace) -> Path:
    """Where dbt writes its artifacts: in the workspace, because a manifest names its database."""
    return workspace.runs / "dbt"


def prepare_manifest(workspace: Workspace) -> Path:
    """Parse the dbt project for this workspace where that is not already done.

    Returns:
        The path of manifest.json.

    Raises:
        UserError: the project does not parse; dbt's own words, which name file and line.
    """
    manifest = target_dir(workspace) / "manifest.json"
    if not manifest.exists() or manifest.stat().st_mtime < _newest_source():
        announce("transform", "reading the models")
        invoke_dbt(workspace, "parse")
    return manifest


def invoke_dbt(
    workspace: Workspace, *arguments: str, on_event: Callable[[Any], None] | None = None
) -> bool:
    """Run dbt in this process on a workspace.

    Args:
        workspace: whose lake is read and whose warehouse file is built.
        arguments: the command and its options, such as `"build", "--full-refresh"`.
        on_event: called with each of dbt's structured events.

    Returns:
        Whether every node succeeded.

    Raises:
        UserError: dbt could not run at all (the project does not compile, the file is locked).
    """
    os.environ["NPS_WORKSPACE"] = str(workspace.root)
    os.environ["NPS_MEMORY_LIMIT"] = workspace.memory_limit or ""
    os.environ["DBT_SEND_ANONYMOUS_USAGE_STATS"] = "false"
    from dbt.cli.main import dbtRunner
    from dbt.exceptions import ParsingError
    from dbt_common.exceptions import CompilationError

    workspace.warehouse_dir.mkdir(parents=True, exist_ok=True)
    command = [
        *arguments,
        *("--project-dir", str(PROJECT_DIR), "--profiles-dir", str(PROJECT_DIR)),
        *("--target-path", str(target_dir(workspace))),
        *("--log-path", str(workspace.runs / "logs")),
        # dbt's own lines quote the cells that an error is about: what is said of a failure
        # is said below, without them
        *("--log-level", "none", "--log-level-file", "none"),
    ]
    remembered = target_dir(workspace) / "partial_parse.msgpack"
    runner = dbtRunner(callbacks=[on_event] if on_event else [])
    result = runner.invoke(command)
    if isinstance(result.exception, (CompilationError, ParsingError)) and remembered.exists():
        # what dbt remembers of the project before an upgrade may contradict the project of now
        remembered.unlink()
        result = runner.invoke(command)
    if type(result.exception).__name__ in INTERRUPTS:
        raise KeyboardInterrupt
    if result.exception is not None:
        # of the project's own text dbt may speak freely: no cell was read yet
        is_ours = arguments[0] == "parse"
        words = str(result.exception) if is_ours else _one_line(result.exception)
        raise UserError(f"dbt {arguments[0]}: {' '.join(words.split())}")
    for node in getattr(result.result, "results", None) or ():
        if node.status in FAILED:
            name = node.node.name
            reason = _broken_rules(workspace, node) or _one_line(node.message or "")
            if any(interrupt in (node.message or "") for interrupt in INTERRUPTS):
                raise KeyboardInterrupt
            announce("failed", f"{name}: {reason}")
            record("dbt_failures", f"{name}: {reason}")
    return bool(result.success)


def _broken_rules(workspace: Workspace, result: Any) -> str:
    """What a failed test of a model's rules found: how many rows, and which rules they break.

    Args:
        workspace: whose build was tested.
        result: dbt's result of a node.

    Returns:
        One line of numbers and of names of the project's own, "" of any other node.
    """
    import duckdb

    from expectations.validate import release_dbt

    if result.status != "fail" or getattr(result.node, "test_metadata", None) is None:
        return ""
    if result.node.test_metadata.name != "holds":
        return ""
    release_dbt()
    try:
        with duckdb.connect(str(workspace.warehouse_file), read_only=True) as connection:
            for setting in spill_settings(workspace.spill, workspace.memory_limit):
                connection.execute(setting)
            found = connection.execute(
                "select broken, count(*) as n "
                f"from ({result.node.compiled_code}) group by all order by n desc, broken"
            ).fetchall()
    except duckdb.Error:
        return ""
    return "; ".join(f"{broken}: {rows:,} rows" for broken, rows in found)


def build_models(workspace: Workspace, *, full_refresh: bool = False) -> list[dict[str, Any]]:
    """Build and test every model.

    What was delivered since the last build is added to it, where that is all that changed;
    otherwise the warehouse is removed and built from the lake alone.

    Args:
        workspace: whose warehouse is built.
        full_refresh: build from the lake alone in any case.

    Returns:
        dbt's structured events of finished nodes, in their order, as plain dictionaries.
    """
    from dbt_common.events.functions import msg_to_dict

    record = _read_record(workspace)
    _record_file(workspace).unlink(missing_ok=True)
    unmark_gated(workspace)
    inputs, lasting = inputs_hash(workspace), batches.lasting_hash(workspace)
    batches.ensure(workspace)
    why = "a full refresh" if full_refresh else _why_anew(workspace, record, lasting)
    if why:
        announce("transform", f"from the beginning: {why}")
        batches.begin_anew(workspace)
        for leftover in workspace.warehouse_dir.glob("nps.duckdb*"):
            remove(leftover)  # a folder, too: what a killed build had spilled
    events: list[dict[str, Any]] = []

    def collect(message: Any) -> None:
        if message.info.name in _RESULTS:
            event = msg_to_dict(message)
            events.append(event)
            data = event["data"]
            total = data.get("total") or data.get("num_models")  # of models, and of tests
            status = data["node_info"]["node_status"]
            announce(
                "transform", f"{data['index']}/{total} {data['node_info']['node_name']}: {status}"
            )

    # Unit tests judge the code, not the data: the test suite runs them, not every refresh.
    options = (
        "--exclude-resource-type",
        "unit_test",
        *(("--full-refresh",) if why else ()),
    )
    # run_results.json would keep the messages that quote cells
    if invoke_dbt(workspace, "build", "--no-write-json", *options, on_event=collect):
        if inputs != inputs_hash(workspace):  # a model was edited meanwhile
            return events
        batches.note_built(workspace)
        built = {
            "inputs": inputs,
            "lasting": lasting,
            "from": None if why else record["inputs"],
            "file": state_of_build(workspace),
            "events": events,
        }
        _record_file(workspace).write_text(json.dumps(built), encoding="utf-8")
    return events


def _why_anew(workspace: Workspace, record: dict[str, Any], lasting: str) -> str | None:
    """Why a build cannot go on from the one on record; None: it can."""
    if not record:
        return "no build was finished before"
    if record["file"] != state_of_build(workspace):
        return "the warehouse was changed by another program"
    if record["lasting"] != lasting:
        return "settings, models or versions changed"
    return batches.why_anew(workspace)


def _read_record(workspace: Workspace) -> dict[str, Any]:
    """What was noted of the last build that succeeded; empty: there is none."""
    try:
        record = json.loads(_record_file(workspace).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) and "lasting" in record else {}


def unchanged_build(workspace: Workspace) -> list[dict[str, Any]] | None:
    """The events of the last build, if it succeeded, had these very inputs and lies there as left.

    A build is a function of its inputs: building again would make the same tables and pass the
    same tests. The publication runs all the same, and so do the checks of what changed.
    """
    record = _read_record(workspace)
    if not record or record["file"] != state_of_build(workspace):
        return None
    return record["events"] if record["inputs"] == inputs_hash(workspace) else None


def mark_gated(workspace: Workspace) -> None:
    """Note that every critical check holds for the build as it lies there."""
    _gate_file(workspace).write_text(json.dumps(state_of_build(workspace)), encoding="utf-8")


def unmark_gated(workspace: Workspace) -> None:
    """Note that a critical check fails for the build: it is not to be published."""
    _gate_file(workspace).unlink(missing_ok=True)


def check_gated(workspace: Workspace) -> None:
    """Refuse a build that did not pass the whole gate since it was built.

    Blocking checks block within one run alone; publishing may be started by itself.

    Raises:
        UserError: the build is unfinished, was changed, or a critical check failed.
    """
    try:
        gated = json.loads(_gate_file(workspace).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        gated = None
    if gated is None or gated != state_of_build(workspace):
        raise UserError(
            f"{workspace.warehouse_file}: this build has not passed the checks; run refresh, which "
            "builds, checks and publishes in one run"
        )


def _gate_file(workspace: Workspace) -> Path:
    return workspace.warehouse_dir / "gated.json"


def _record_file(workspace: Workspace) -> Path:
    return workspace.warehouse_dir / "built.json"


def state_of_build(workspace: Workspace) -> list[int]:
    """Size and time of the build's file: whoever writes to it changes them."""
    from expectations.validate import release_dbt

    release_dbt()
    try:
        status = workspace.warehouse_file.stat()
    except FileNotFoundError:
        return []
    return [status.st_size, status.st_mtime_ns]


def dbt_models(workspace: Workspace) -> dg.AssetsDefinition:
    """The assets of every seed and model, with dbt's tests as their checks."""
    from dagster_dbt import dbt_assets

    manifest = prepare_manifest(workspace)

    # no retry of the step: a model that fails fails again, and an interrupt must not start it anew
    @dbt_assets(manifest=manifest, name="dbt_models")
    def models(context: dg.AssetExecutionContext) -> Iterator[Any]:
        """Build every model and run its data tests; a failed one stops what depends on it."""
        from dagster_dbt.core.dbt_cli_event import DbtCoreCliEventMessage

        from expectations.validate import release_dbt

        workspace = current_workspace()
        hold_workspace(workspace.runs)
        full_refresh = context.run.tags.get(FULL_REFRESH_TAG) == "true"
        release_dbt()
        with timed("transform"):
            events = None if full_refresh else unchanged_build(workspace)
            if events is None:
                events = build_models(workspace, full_refresh=full_refresh)
                release_dbt()
            else:
                announce("transform", "nothing new since the last build: it stands")
        rows = _row_counts(workspace)
        for event in events:
            message = DbtCoreCliEventMessage(raw_event=event, event_history_metadata={})
            for result in message.to_default_asset_events(manifest=manifest, context=context):
                if _is_asked_for(result, context):
                    yield _with_rows(result, event, rows)
        nodes = [event["data"]["node_info"] for event in events]
        failed = [node for node in nodes if node["node_status"] in FAILED]
        if failed:
            reasons = "; ".join(recorded("dbt_failures")[-len(failed) :])
            raise dg.Failure(f"dbt: {reasons}")

    return models


_RESULTS = frozenset({"LogSeedResult", "LogModelResult", "LogSnapshotResult", "LogTestResult"})


def published_tables(manifest: Path) -> tuple[str, ...]:
    """The models of the schemas marts and restricted as `<schema>.<table>`: what may leave."""
    nodes = json.loads(manifest.read_text(encoding="utf-8"))["nodes"].values()
    return tuple(
        sorted(
            f"{node['schema']}.{node['name']}"
            for node in nodes
            if node["resource_type"] == "model" and node["schema"] in ("marts", "restricted")
        )
    )


def built_from(workspace: Workspace) -> str | None:
    """The inputs_hash of the build that the last one went on from; None: it was a full one."""
    return _read_record(workspace).get("from")


def touched_conditions(manifest: Path, schema: str) -> dict[str, str]:
    """What tells the rows that an incremental build made anew, by table.

    Args:
        manifest: dbt's manifest.json.
        schema: the schema of the tables.

    Returns:
        Of each model that says so (`meta: {touched: …}`) its condition over its own columns. Of
        one that is not named every row is new.
    """
    nodes = json.loads(manifest.read_text(encoding="utf-8"))["nodes"].values()
    return {
        node["name"]: node["config"]["meta"]["touched"]
        for node in nodes
        if node["resource_type"] == "model"
        and node["schema"] == schema
        and node["config"]["meta"].get("touched")
    }


def touched_rows(manifest: Path) -> dict[str, str]:
    """The conditions of both published schemas by `<schema>.<table>`, for the build as `build`."""
    return {
        f"{schema}.{table}": re.sub(r"\b(intermediate|raw)\.", r"build.\1.", condition)
        for schema in ("marts", "restricted")
        for table, condition in touched_conditions(manifest, schema).items()
    }


def _newest_source() -> float:
    return max(path.stat().st_mtime for path in project_files())


def _row_counts(workspace: Workspace) -> dict[str, int]:
    """Rows of every table of the build, by `<schema>.<table>`, as its catalogue has them."""
    import duckdb

    with duckdb.connect(str(workspace.warehouse_file), read_only=True) as connection:
        return {
            f"{schema}.{table}": rows
            for schema, table, rows in connection.execute(
                "select schema_name, table_name, estimated_size from duckdb_tables()"
            ).fetchall()
        }


def _is_asked_for(result: Any, context: dg.AssetExecutionContext) -> bool:
    """Whether the run selected it: dbt builds all, so that no model is of another generation."""
    if isinstance(result, dg.Output):
        return result.output_name in context.op_execution_context.selected_output_names
    return True


def _with_rows(result: Any, event: dict[str, Any], rows: dict[str, int]) -> Any:
    relation = event["data"]["node_info"].get("node_relation") or {}
    count = rows.get(f"{relation.get('schema')}.{relation.get('alias')}")
    if isinstance(result, dg.Output) and count is not None:
        return result.with_metadata({**result.metadata, "dagster/row_count": count})
    return result


def _one_line(error: object) -> str:
    return safe_reason(str(error), type(error).__name__)
