"""The JSON Schema of workspace.yml: valid, and right about the workspaces of this repository."""

from __future__ import annotations

import copy
import json
from datetime import date
from typing import Any

import pytest
import yaml

from orchestration import cli
from orchestration.workspace.current import PROJECT_DIR
from orchestration.workspace.schema import workspace_schema

jsonschema = pytest.importorskip("jsonschema")  # dbt brings it

FILES = ["sample/workspace.yml", *sorted(
    str(path.relative_to(PROJECT_DIR)) for path in PROJECT_DIR.glob("docs/examples/*.yml")
)]  # fmt: skip


def content(name: str) -> dict[str, Any]:
    """A workspace.yml as an editor sees it: days are texts."""
    loaded = yaml.safe_load((PROJECT_DIR / name).read_text(encoding="utf-8"))
    return json.loads(json.dumps(loaded, default=date.isoformat))


@pytest.fixture(scope="module")
def validator():
    jsonschema.Draft202012Validator.check_schema(workspace_schema())
    return jsonschema.Draft202012Validator(workspace_schema())


@pytest.mark.parametrize("name", FILES)
def test_our_workspaces_are_valid(validator, name: str):
    assert [error.message for error in validator.iter_errors(content(name))] == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("segmets", []),
        ("timezone", 1),
        ("version", 2),
        ("sources.0.entity", "answers"),
        ("sources.0.colums", {}),
        ("sources.0.columns.scor", "x"),
        ("sources.0.format", {"type": "xls"}),
        ("sources.0.format", {"delimeter": ";"}),
        ("sources.0.format", {"max_rows": 0}),
    ],
)
def test_a_mistake_shows(validator, path: str, value: object):
    wrong = copy.deepcopy(content("docs/examples/needful_things.yml"))
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    place: Any = wrong
    for part in parents:
        place = place[part]
    place[last] = value
    assert list(validator.iter_errors(wrong))


def test_the_command_prints_it(capsys):
    assert cli.main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == workspace_schema()
