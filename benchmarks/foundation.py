"""The project with the foundation's models alone: what a hand-written script is compared with.

The script makes the foundation's tables, but for a few (``LEFT_OUT``), so the product must not be
measured making others. A copy of the project is made in which every model that is not needed for
them is an empty table of the same columns: whatever reads them (the report, the summary) still
works, nothing costs anything.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import yaml

from benchmarks.baseline import LEFT_OUT

PROJECT = Path(__file__).resolve().parents[1]
FOLDERS = ("orchestration", "expectations", "models", "macros", "seeds", "tests/dbt", "sample")
FILES = ("dbt_project.yml", "profiles.yml")
FOUNDATION = "models/marts/foundation/"
SUITES = """\

# Only what is compared is checked.
MARTS = dict(FOUNDATION)
RESTRICTED = {}
"""


def copy_project(target: Path) -> Path:
    """Copy what runs the product, so that nothing edited meanwhile gets into what is measured."""
    shutil.rmtree(target, ignore_errors=True)
    for name in FOLDERS:
        shutil.copytree(
            PROJECT / name, target / name, ignore=shutil.ignore_patterns("__pycache__", ".*")
        )
    for name in FILES:
        shutil.copyfile(PROJECT / name, target / name)
    return target


def keep_foundation(target: Path, manifest: Path) -> None:
    """Empty every model of a copied project that the foundation does not need.

    Args:
        target: the copy's folder.
        manifest: dbt's manifest.json of the project.
    """
    nodes: dict[str, dict[str, Any]] = json.loads(manifest.read_text(encoding="utf-8"))["nodes"]
    needed = _needed(nodes)
    emptied = {
        key: node
        for key, node in nodes.items()
        if node["resource_type"] == "model" and key not in needed
    }
    for node in emptied.values():
        path = target / node["original_file_path"]
        path.unlink()  # an empty table needs no Python
        path.with_suffix(".sql").write_text(_empty(node), encoding="utf-8")
    for node in nodes.values():
        is_file = node["resource_type"] == "test" and node["original_file_path"].endswith(".sql")
        if is_file and emptied.keys() & set(node["depends_on"]["nodes"]):
            (target / node["original_file_path"]).unlink()
    _without_tests(target / "models", {node["name"] for node in emptied.values()})
    with (target / "expectations/suites/marts.py").open("a", encoding="utf-8") as suites:
        suites.write(SUITES)


def _needed(nodes: dict[str, dict[str, Any]]) -> set[str]:
    """The keys of the foundation's models and of all that they are made from."""
    todo = [
        key
        for key, node in nodes.items()
        if node["original_file_path"].startswith(FOUNDATION) and node["name"] not in LEFT_OUT
    ]
    needed: set[str] = set()
    while todo:
        key = todo.pop()
        if key in nodes and key not in needed and nodes[key]["resource_type"] != "test":
            needed.add(key)
            todo += nodes[key]["depends_on"].get("nodes", ())
    return needed


def _empty(node: dict[str, Any]) -> str:
    """SQL of an empty table with the columns that are described."""
    columns = [
        f"cast(null as {column['data_type'] or 'string'}) as {name}"
        for name, column in node["columns"].items()
    ]
    return f"select {', '.join(columns) or 'null as nothing'} where false\n"


def _without_tests(folder: Path, names: set[str]) -> None:
    """Take the data tests of these models out of the YAML files, and every unit test."""
    for path in folder.rglob("*.yml"):
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        if content.pop("unit_tests", None) and not content.keys() - {"version"}:
            path.unlink()
            continue
        for model in content.get("models") or ():
            if model["name"] in names:
                model.pop("data_tests", None)
                for column in model.get("columns") or ():
                    column.pop("data_tests", None)
        path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
