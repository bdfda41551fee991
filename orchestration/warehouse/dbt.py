"""dbt in this process: invocations, the manifest, and what it says of the published tables.

dbt's own runner builds in this process; a second process would import dbt again, which costs
seconds in every run.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from orchestration.core.duckdb_session import known_cause, safe_reason
from orchestration.core.errors import UserError
from orchestration.core.progress import announce
from orchestration.warehouse.inputs import project_files
from orchestration.workspace.current import PROJECT_DIR
from orchestration.workspace.model import Workspace

INTERRUPTS = ("KeyboardInterrupt", "DagsterExecutionInterruptedError")
FAILED = ("error", "fail", "runtime error")


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
    if not is_fresh(manifest):
        announce("transform", "reading the models")
        invoke_dbt(workspace, "parse")
    return manifest


def invoke_dbt(
    workspace: Workspace,
    *arguments: str,
    on_event: Callable[[Any], None] | None = None,
    on_failure: Callable[[str, str], None] | None = None,
) -> bool:
    """Run dbt in this process on a workspace.

    Args:
        workspace: whose lake is read and whose warehouse file is built.
        arguments: the command and its options, such as `"build", "--full-refresh"`.
        on_event: called with each of dbt's structured events.
        on_failure: called at the end with each failed node's name and the reason.

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
        # dbt's own lines quote the cells that an error is about; failures are reported below,
        # without cells
        *("--log-level", "none", "--log-level-file", "none"),
    ]
    remembered = target_dir(workspace) / "partial_parse.msgpack"
    runner = dbtRunner(callbacks=[on_event] if on_event else [])
    result = _invoke(runner, command)
    if isinstance(result.exception, (CompilationError, ParsingError)) and remembered.exists():
        # dbt's cached parse from before an upgrade may contradict the current project
        remembered.unlink()
        result = _invoke(runner, command)
    if type(result.exception).__name__ in INTERRUPTS:
        raise KeyboardInterrupt
    if result.exception is not None:
        # a parse error quotes only the project's own text: no cell was read yet
        is_ours = arguments[0] == "parse"
        words = str(result.exception) if is_ours else _one_line(result.exception)
        raise UserError(f"dbt {arguments[0]}: {' '.join(words.split())}")
    for node in getattr(result.result, "results", None) or ():
        if node.status in FAILED:
            reason = _failure_reason(workspace, node)
            announce("failed", f"{node.node.name}: {reason}")
            if on_failure is not None:
                on_failure(node.node.name, reason)
    return bool(result.success)


def _invoke(runner: Any, command: list[str]) -> Any:
    """Run dbt; dbt-duckdb loads Python models from temporary files, which leave no bytecode."""
    before = sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    try:
        return runner.invoke(command)
    finally:
        sys.dont_write_bytecode = before


def _failure_reason(workspace: Workspace, result: Any) -> str:
    """Why a node failed, in one line without any cell.

    Raises:
        KeyboardInterrupt: it was interrupted.
    """
    message = result.message or ""
    if any(interrupt in message for interrupt in INTERRUPTS):
        raise KeyboardInterrupt
    return _broken_rules(workspace, result) or _own_words(workspace, result) or _one_line(message)


def release_dbt() -> None:
    """Close the DuckDB file that dbt holds open in this process, if it does.

    dbt-duckdb keeps its connection for the life of the process, so that the next invocation is
    quick; DuckDB in turn refuses to open one file with two configurations in one process. dbt
    opens it again at the next call. Call this between dbt's end and whatever opens the file next:
    validation, publishing. Without dbt in the process it does nothing.
    """
    module = sys.modules.get("dbt.adapters.duckdb.connections")
    if module is None:
        return
    manager = module.DuckDBConnectionManager
    with manager._LOCK:
        if manager._ENV is not None:
            manager._ENV.close()
            manager._ENV = None


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


def changed_rows(manifest: Path) -> dict[str, str]:
    """The condition on the rows that a batch replaces, by `<schema>.<table>`.

    Args:
        manifest: dbt's manifest.json.

    Returns:
        Of each model with `meta: {changed: {key: …, model: …}}`, or a list of these, a SQL
        condition on its columns. A batch replaces all rows of the other models.
    """
    nodes = json.loads(manifest.read_text(encoding="utf-8"))["nodes"]
    models = {node["name"]: node for node in nodes.values() if node["resource_type"] == "model"}

    def condition(rows: dict[str, str]) -> str:
        affected = models[rows["model"]]
        relation = ".".join(f'"{affected[part]}"' for part in ("database", "schema", "alias"))
        return f"{rows['key']} in (select {rows['key']} from {relation})"

    found = {}
    for node in models.values():
        changed = node["config"]["meta"].get("changed")
        if changed:
            listed = changed if isinstance(changed, list) else [changed]
            found[f"{node['schema']}.{node['name']}"] = " or ".join(map(condition, listed))
    return found


def _broken_rules(workspace: Workspace, result: Any) -> str:
    """What a failed test of a model's rules found: how many rows, and which rules they break.

    Args:
        workspace: whose build was tested.
        result: dbt's result of a node.

    Returns:
        One line of numbers and of names of the project's own, "" of any other node.
    """
    if result.status != "fail" or getattr(result.node, "test_metadata", None) is None:
        return ""
    if result.node.test_metadata.name != "holds":
        return ""
    found = _query_build(
        workspace,
        "select broken, count(*) as n "
        f"from ({result.node.compiled_code}) group by all order by n desc, broken",
    )
    return "; ".join(f"{broken}: {rows:,} rows" for broken, rows in found)


def _own_words(workspace: Workspace, result: Any) -> str:
    """What a failed test says of itself: the column `message` of its rows.

    Args:
        workspace: whose build was tested.
        result: dbt's result of a node.

    Returns:
        One line, "" of a node that has no such column.
    """
    if result.status != "fail" or "as message" not in result.node.compiled_code:
        return ""
    sql = f"select message from ({result.node.compiled_code}) order by all"
    return "; ".join(message for (message,) in _query_build(workspace, sql))


def _query_build(workspace: Workspace, sql: str) -> list[tuple[Any, ...]]:
    """The rows of a query on the build; none if it can't be read."""
    import duckdb

    from orchestration.warehouse.database import open_build

    release_dbt()
    try:
        with open_build(workspace) as connection:
            return connection.execute(sql).fetchall()
    except (duckdb.Error, FileNotFoundError):
        return []


def is_fresh(manifest: Path) -> bool:
    """Whether a manifest exists and no file of the dbt project is newer."""
    newest = max(path.stat().st_mtime for path in project_files())
    return manifest.exists() and manifest.stat().st_mtime >= newest


def _one_line(error: object) -> str:
    return known_cause(str(error)) or safe_reason(str(error), type(error).__name__)
