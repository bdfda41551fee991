"""The build: every model, as a full build or as a batch on top of the previous build."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from orchestration.core.files import remove
from orchestration.core.progress import announce
from orchestration.warehouse import batches
from orchestration.warehouse.build_record import (
    read_record,
    record_file,
    state_of_build,
    unmark_gated,
)
from orchestration.warehouse.database import build_files
from orchestration.warehouse.dbt import invoke_dbt, prepare_manifest
from orchestration.warehouse.inputs import inputs_hash
from orchestration.warehouse.unaffected import nodes_to_start, versioned_entities
from orchestration.workspace.model import Workspace

_RESULTS = frozenset({"LogSeedResult", "LogModelResult", "LogSnapshotResult", "LogTestResult"})


class _Events:
    """dbt's events of finished nodes as plain dictionaries, in their order."""

    def __init__(self) -> None:
        self.finished: list[dict[str, Any]] = []

    def collect(self, message: Any) -> None:
        """Keep and announce an event of dbt's, if it is that of a finished node."""
        from dbt_common.events.functions import msg_to_dict

        if message.info.name in _RESULTS:
            event = msg_to_dict(message)
            self.finished.append(event)
            data = event["data"]
            total = data.get("total") or data.get("num_models")  # of models, and of tests
            node = data["node_info"]
            announce(
                "transform", f"{data['index']}/{total} {node['node_name']}: {node['node_status']}"
            )

    def explain(self, name: str, reason: str) -> None:
        """Add the reason of its failure to a node's event."""
        for event in self.finished:
            if event["data"]["node_info"]["node_name"] == name:
                event["data"]["reason"] = reason


def build_models(workspace: Workspace, *, full_refresh: bool = False) -> list[dict[str, Any]]:
    """Build and test every model.

    If deliveries were added and nothing else changed, a batch adds them to the previous build;
    otherwise the warehouse is removed and rebuilt from the lake.

    Args:
        workspace: whose warehouse is built.
        full_refresh: rebuild in any case.

    Returns:
        dbt's structured events of finished nodes, in their order, as plain dictionaries; the data
        of a failed node has its `reason`.
    """
    record = read_record(workspace)
    record_file(workspace).unlink(missing_ok=True)
    unmark_gated(workspace)
    inputs, lasting = inputs_hash(workspace), batches.lasting_hash(workspace)
    batches.ensure(workspace)
    why = "a full refresh" if full_refresh else _full_build_reason(workspace, record, lasting)
    if why:
        announce("transform", f"full build: {why}")
        batches.require_full_build(workspace)
        for path in build_files(workspace).values():
            for leftover in workspace.warehouse_dir.glob(f"{path.name}*"):
                remove(leftover)  # also a folder: what a killed build had spilled
    left_out = {} if why else _left_out(workspace, record)
    events = _Events()
    # Unit tests test the code, not the data: the test suite runs them, not every run.
    # run_results.json would keep the messages that quote cells.
    succeeded = invoke_dbt(
        workspace,
        *("build", "--no-write-json", "--exclude-resource-type", "unit_test"),
        *(("--full-refresh",) if why else _exclude(left_out)),
        on_event=events.collect,
        on_failure=events.explain,
    )
    finished = _with_earlier(record.get("events", []), events.finished, left_out)
    if succeeded and inputs == inputs_hash(workspace):  # else a model was edited meanwhile
        batches.note_built(workspace)
        built = {
            "inputs": inputs,
            "lasting": lasting,
            "from": None if why else record["inputs"],
            "file": state_of_build(workspace),
            "kept": sorted(
                f"{node['schema']}.{node['name']}"
                for node in left_out.values()
                if node["resource_type"] == "model"
            ),
            "events": finished,
        }
        record_file(workspace).write_text(json.dumps(built), encoding="utf-8")
    return finished


def unchanged_build(workspace: Workspace) -> list[dict[str, Any]] | None:
    """The events of the last build, if it succeeded, had these inputs and its files are unmodified.

    A build is a function of its inputs: building again would make the same tables and pass the
    same tests. Whether it is published again is decided by the publication.
    """
    record = read_record(workspace)
    if not record or record["file"] != state_of_build(workspace):
        return None
    return record["events"] if record["inputs"] == inputs_hash(workspace) else None


def _left_out(workspace: Workspace, record: dict[str, Any]) -> dict[str, Any]:
    """The nodes of dbt's graph that a batch need not start, by their unique ids."""
    manifest = json.loads(prepare_manifest(workspace).read_text(encoding="utf-8"))
    news = batches.read_news(workspace, versioned_entities(manifest))
    started = nodes_to_start(manifest, news)
    known = set(map(_node_of, record["events"]))
    left_out = {
        name: node
        for name, node in manifest["nodes"].items()
        if name in known and name not in started
    }
    announce(
        "transform",
        f"{len(left_out)} of {len(known)} seeds, models and tests have nothing new to read",
    )
    return left_out


def _exclude(left_out: Mapping[str, Any]) -> tuple[str, ...]:
    """Options of dbt's that leave these nodes out, and no test for the sake of its model."""
    names = sorted(node["name"] for node in left_out.values())
    return ("--indirect-selection", "empty", "--exclude", *names) if names else ()


def _with_earlier(
    earlier: list[dict[str, Any]], finished: list[dict[str, Any]], left_out: Collection[str]
) -> list[dict[str, Any]]:
    """The events of finished nodes, with the earlier ones of those that were left out.

    They are in the earlier order, which is that of the graph.
    """
    if not left_out:
        return finished
    now = {_node_of(event): event for event in finished}
    merged = [
        event if _node_of(event) in left_out else now.pop(_node_of(event))
        for event in earlier
        if _node_of(event) in left_out or _node_of(event) in now
    ]
    return [*merged, *now.values()]


def _node_of(event: Mapping[str, Any]) -> str:
    return str(event["data"]["node_info"]["unique_id"])


def _full_build_reason(workspace: Workspace, record: dict[str, Any], lasting: str) -> str | None:
    """Why a batch cannot be added to the recorded build; None: it can."""
    if not record:
        return "no build was finished before"
    if record["file"] != state_of_build(workspace):
        return "the warehouse was changed by another program"
    if record["lasting"] != lasting:
        return "settings, models or versions changed"
    return batches.full_build_reason(workspace)
