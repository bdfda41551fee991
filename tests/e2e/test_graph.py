"""The graph: one committed picture of every asset, what it waits for, its group and its checks.

`NPS_UPDATE_GRAPH=1 make test` writes the picture anew after a change that was meant.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import e2e_support as e2e
import pytest

PICTURE = Path(__file__).parent / "graph.json"

# Loading the definitions imports dbt and Dagster and reads the workspace that the environment
# names: in a process of its own, once.
DRAW = """
import json
from orchestration.definitions import defs

graph = defs.resolve_asset_graph()
picture = {
    node.key.to_user_string(): {
        "group": node.group_name,
        "after": sorted(key.to_user_string() for key in node.parent_keys),
        "checks": sorted(
            f"{key.name}{' (blocks)' if graph.get(key).blocking else ''}" for key in node.check_keys
        ),
        "described": bool((node.description or "").strip()),
    }
    for node in graph.asset_nodes
}
checks = {
    f"{key.asset_key.to_user_string()}: {key.name}": bool(graph.get(key).description)
    for key in graph.asset_check_keys
}
repository = defs.get_repository_def()
print("PICTURE" + json.dumps({
    "assets": picture,
    "checks": checks,
    "jobs": sorted(name for name in repository.job_names if not name.startswith("__")),
    "schedules": sorted(s.name for s in repository.schedule_defs),
    "sensors": sorted(s.name for s in repository.sensor_defs),
}))
"""


@pytest.fixture(scope="session")
def graph(tmp_path_factory) -> dict[str, Any]:
    """The definitions of the sample's workspace, as they are now."""
    from sample.generate import generate

    root = tmp_path_factory.mktemp("graph")
    generate(root)
    done = e2e.run(root, "-c", DRAW)
    assert done.code == 0, done.err[-3000:]
    return json.loads(done.out.partition("PICTURE")[2]) | {"root": str(root)}


def test_the_graph_is_the_one_in_the_picture(graph):
    drawn = {
        key: {part: node[part] for part in ("group", "after", "checks")}
        for key, node in graph["assets"].items()
    }
    if os.environ.get("NPS_UPDATE_GRAPH"):
        PICTURE.write_text(json.dumps(drawn, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    assert drawn == json.loads(PICTURE.read_text("utf-8"))


def test_every_asset_is_described(graph):
    assert [key for key, node in graph["assets"].items() if not node["described"]] == []


def test_every_check_of_the_boundaries_is_described(graph):
    # dbt's own tests carry theirs in dbt
    gate = {name: told for name, told in graph["checks"].items() if told}
    assert len(gate) >= 60
    assert {name.split("/")[0] for name in gate} >= {"raw", "marts", "restricted"}


def test_data_moves_one_way(graph):
    order = [
        "ingest",
        "raw",
        "seeds",
        "staging",
        "intermediate",
        "marts",
        "restricted",
        "published",
    ]
    place = {key: order.index(node["group"]) for key, node in graph["assets"].items()}
    backwards = [
        (parent, key)
        for key, node in graph["assets"].items()
        for parent in node["after"]
        if place[parent] > place[key]
    ]
    assert backwards == []


def test_nothing_is_published_before_all_that_may_leave_is_built(graph):
    leaving = {
        key for key, node in graph["assets"].items() if node["group"] in ("marts", "restricted")
    }
    assert set(graph["assets"]["published/generation"]["after"]) == leaving


def test_jobs_schedule_and_sensor(graph):
    assert graph["jobs"] == ["full_refresh", "refresh"]
    assert graph["schedules"] == ["daily"]
    assert graph["sensors"] == ["landing"]


def test_dagster_accepts_the_definitions(graph, tmp_path):
    done = subprocess.run(
        [Path(sys.executable).parent / "dagster", "definitions", "validate"],
        cwd=e2e.REPOSITORY,
        env={**os.environ, "NPS_WORKSPACE": graph["root"], "DAGSTER_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=e2e.PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]


SENSE = """
import json
from pathlib import Path
import dagster as dg
from orchestration.context import current_workspace
from orchestration.schedules import landing

cursor, seen = None, []
workspace = current_workspace()
file = workspace.landing / "crm" / "accounts.csv"
def look():
    global cursor
    context = dg.build_sensor_context(cursor=cursor)
    result = landing(context)
    cursor = context.cursor
    seen.append(result.run_key if isinstance(result, dg.RunRequest) else None)
look()
look()
file.touch()
look()
file.write_bytes(file.read_bytes() + b"\\n")
look()
print("SEEN" + json.dumps(seen))
"""


def test_the_sensor_asks_for_one_run_per_content(graph):
    done = e2e.run(Path(graph["root"]), "-c", SENSE)
    first, again, touched, changed = json.loads(done.out.partition("SEEN")[2] or "[1,1,1,1]")
    assert done.code == 0, done.err[-3000:]
    assert first and again is None and touched is None
    assert changed and changed != first
